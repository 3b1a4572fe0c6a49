import fc from 'fast-check';
import { gateOf } from '../support/gate.js';
import { describe, expect, test } from 'vitest';
import type { RawRunOptions } from '../../src/config/index.js';
import { parseRunOptions } from '../../src/config/index.js';
import { AttnDiffError } from '../../src/errors.js';

const parse = (raw: RawRunOptions) => parseRunOptions({ model: 'm', ...raw });
const stream = (name: string, settings: object) => ({
  label: name,
  name,
  hidden: false,
  settings: expect.objectContaining(settings),
});
const labels = (raw: RawRunOptions) =>
  parse(raw).implementations.map(({ label, name }) => `${label}=${name}`);

/** What both tests of whole configurations leave at its default. */
const UNASKED = {
  pack: false,
  past: 0,
  mask: null,
  precision: 'fp32',
  activations: null,
  heads: false,
  headsTold: false,
  shard: null,
  resume: false,
  timeout: null,
  saveRepro: null,
  baseline: null,
  saveBaseline: null,
  history: null,
  ci: true,
};

describe('parseRunOptions', () => {
  test('defaults', () => {
    expect(parseRunOptions({ model: 'folder' })).toEqual({
      isImplGiven: false,
      model: 'folder',
      dtype: null,
      implementations: ['eager', 'sdpa', 'flash'].map((name) =>
        stream(name, { precision: 'fp32', maskFill: 'min' }),
      ),
      reference: 'eager',
      padding: ['left', 'right'],
      prompts: { kind: 'built-in' },
      chat: false,
      batchSize: 8,
      length: null,
      ...UNASKED,
      gate: gateOf({ defaults: 'error' }),
      reports: [{ format: 'text', path: null }],
      command: ['run', '--model', 'folder'],
      configFile: null,
      configuration: null,
    });
  });

  test('an HTML report measures heads, and other formats tell them only where they are asked for', () => {
    const heads = (more: RawRunOptions): boolean[] =>
      Object.values((({ heads: measured, headsTold }) => ({ measured, headsTold }))(parse(more)));
    expect(heads({})).toEqual([false, false]);
    expect(heads({ report: ['html=page.html'] })).toEqual([true, false]);
    expect(heads({ report: ['html=page.html'], heads: true })).toEqual([true, true]);
    expect(heads({ report: ['json=report.json'], heads: true })).toEqual([true, true]);
    expect(parse({ report: ['html=page.html'] }).command).toEqual(['run', '--model', 'm']);
  });

  test('everything given', () => {
    expect(
      parse({
        dtype: 'q4f16',
        impl: 'exact, original',
        reference: 'exact',
        random: '4X128',
        seed: '7',
        length: '64',
        padding: 'right',
        maskFill: '-inf',
        maxAbs: '1e-3',
        minCosine: '-0.5',
        failOn: 'none',
        format: 'json',
        output: 'o.json',
      }),
    ).toEqual({
      isImplGiven: true,
      model: 'm',
      dtype: 'q4f16',
      implementations: ['exact', 'original'].map((name) => stream(name, { maskFill: '-inf' })),
      reference: 'exact',
      padding: ['right'],
      prompts: { kind: 'random', batch: 4, length: 128, seed: 7 },
      chat: false,
      batchSize: 8,
      length: 64,
      ...UNASKED,
      gate: gateOf({ defaults: 'error', failOn: 'none', maxAbs: 0.001, minCosine: -0.5 }),
      reports: [{ format: 'json', path: 'o.json' }],
      command: [
        'run',
        '--model',
        'm',
        '--dtype',
        'q4f16',
        '--impl',
        'exact, original',
        '--reference',
        'exact',
        '--random',
        '4X128',
        '--seed',
        '7',
        '--length',
        '64',
        '--padding',
        'right',
        '--mask-fill=-inf',
        '--max-abs',
        '1e-3',
        '--min-cosine=-0.5',
        '--fail-on',
        'none',
      ],
      configFile: null,
      configuration: null,
    });
    expect(parse({ padding: 'right,left', maskFill: '-1e4' })).toMatchObject({
      padding: ['right', 'left'],
      implementations: [{ settings: { maskFill: '-1e4' } }, {}, {}],
    });
  });

  test('prompts', () => {
    expect(parse({ prompts: 'p.txt', prompt: [] }).prompts).toEqual({
      kind: 'file',
      path: 'p.txt',
    });
    expect(parse({ prompt: ['a,b', 'c'] }).prompts).toEqual({ kind: 'texts', texts: ['a,b', 'c'] });
    expect(parse({ random: '1x1' }).prompts).toEqual({
      kind: 'random',
      batch: 1,
      length: 1,
      seed: 0,
    });
  });

  test('--chat goes with every source but --random', () => {
    for (const source of [{}, { prompt: ['a'] }, { prompts: 'p.txt' }])
      expect(parse({ ...source, chat: true }).chat).toBe(true);
    expect(() => parse({ random: '1x1', chat: true })).toThrow(
      expect.objectContaining({
        code: 'bad-option',
        args: expect.objectContaining({ option: '--random', value: '1x1' }),
      }),
    );
  });

  test('an implementation asked for again is numbered', () => {
    expect(labels({ impl: 'eager,flash,eager,eager,flash' })).toEqual([
      'eager=eager',
      'flash=flash',
      'eager#2=eager',
      'eager#3=eager',
      'flash#2=flash',
    ]);
  });

  test('a reference that is not there comes first; one that is stays where it is', () => {
    expect(labels({ impl: 'flash,flash' })).toEqual([
      'eager=eager',
      'flash=flash',
      'flash#2=flash',
    ]);
    expect(labels({ impl: 'flash,eager' })).toEqual(['flash=flash', 'eager=eager']);
    expect(parse({ impl: 'eager,eager', reference: 'eager#2' })).toMatchObject({
      reference: 'eager#2',
      implementations: { length: 2 },
    });
  });

  test.each([
    [{ impl: 'eager,flash2' }, '--impl', 'flash2'],
    [{ impl: 'Eager' }, '--impl', 'Eager'],
    [{ impl: 'eager#2' }, '--impl', 'eager#2'],
    [{ reference: 'truth' }, '--reference', 'truth'],
    [{ reference: 'eager#2' }, '--reference', 'eager#2'],
  ])('unknown implementation in %o', (raw, option, value) => {
    expect(() => parse(raw)).toThrow(
      expect.objectContaining({ code: 'unknown-implementation', args: { option, value } }),
    );
  });

  test.each<[string, string, RawRunOptions]>([
    ['--model', '', { model: '' }],
    ['--impl', '', { impl: '' }],
    ['--impl', 'eager,,flash', { impl: 'eager,,flash' }],
    ['--reference', '', { reference: '' }],
    ['--prompts', '', { prompts: '' }],
    ['--prompt', '', { prompt: ['a', ''] }],
    ['--random', '4', { random: '4' }],
    ['--random', '4x-1', { random: '4x-1' }],
    ['--random', '0x4', { random: '0x4' }],
    ['--random', '4x0', { random: '4x0' }],
    ['--random', '4x8x2', { random: '4x8x2' }],
    ['--random', '1024x1025', { random: '1024x1025' }],
    ['--seed', '-1', { seed: '-1' }],
    ['--seed', '1.5', { seed: '1.5' }],
    ['--seed', '4294967296', { seed: '4294967296' }],
    ['--length', '0', { length: '0' }],
    ['--length', '8k', { length: '8k' }],
    ['--length', '1e2', { length: '1e2' }],
    ['--padding', 'left,left', { padding: 'left,left' }],
    ['--padding', 'middle', { padding: 'middle' }],
    ['--padding', 'left,', { padding: 'left,' }],
    ['--mask-fill', 'inf', { maskFill: 'inf' }],
    ['--max-abs', '1abc', { maxAbs: '1abc' }],
    ['--max-abs', '', { maxAbs: '' }],
    ['--max-abs', ' 1', { maxAbs: ' 1' }],
    ['--max-abs', '-1e-9', { maxAbs: '-1e-9' }],
    ['--max-abs', 'NaN', { maxAbs: 'NaN' }],
    ['--max-abs', 'Infinity', { maxAbs: 'Infinity' }],
    ['--max-abs', '1e999', { maxAbs: '1e999' }],
    ['--max-abs', '0x10', { maxAbs: '0x10' }],
    ['--min-cosine', '1.01', { minCosine: '1.01' }],
    ['--min-cosine', '-1.01', { minCosine: '-1.01' }],
    ['--fail-on', 'inf', { failOn: 'inf' }],
    ['--format', 'xml', { format: 'xml' }],
    ['--output', '', { output: '' }],
  ])('%s refuses %j', (option, value, raw) => {
    expect(() => parse(raw)).toThrow(
      expect.objectContaining({
        code: 'bad-option',
        args: {
          option,
          value,
          problem: expect.stringMatching(/./),
          remedy: expect.stringMatching(/./),
        },
        exitCode: 2,
      }),
    );
  });

  test('a missing model', () => {
    expect(() => parseRunOptions({})).toThrow(
      expect.objectContaining({
        code: 'bad-option',
        args: expect.objectContaining({ option: '--model', value: null, problem: 'it is missing' }),
      }),
    );
  });

  test.each<[string, string, RawRunOptions]>([
    ['--prompt', '--prompts', { prompts: 'p', prompt: ['t'] }],
    ['--random', '--prompts', { prompts: 'p', random: '1x2' }],
    ['--random', '--prompt', { prompt: ['t'], random: '1x2' }],
  ])('%s excludes %s', (option, other, raw) => {
    expect(() => parse(raw)).toThrow(
      expect.objectContaining({
        code: 'bad-option',
        args: expect.objectContaining({ option, problem: expect.stringContaining(other) }),
      }),
    );
  });

  test('limits are part of what is accepted', () => {
    expect(
      parse({ maxAbs: '0', minCosine: '1', length: '1', random: '1024x1024', seed: '4294967295' }),
    ).toMatchObject({
      gate: {
        budgets: [
          { metric: 'max-abs', limit: 0 },
          { metric: 'min-cosine', limit: 1 },
        ],
      },
      length: 1,
      prompts: { batch: 1024, length: 1024, seed: 4294967295 },
    });
    for (const [text, value] of [
      ['+.5', 0.5],
      ['5.', 5],
      ['1E-3', 0.001],
    ] as const)
      expect(parse({ maxAbs: text }).gate.budgets[0]!.limit).toBe(value);
  });

  test('any strings give a config, or an AttnDiffError', () => {
    const textArb = fc.oneof(
      fc.string(),
      fc.constantFrom('1', '2x3', 'eager', 'left', 'min', 'nan', 'text', '__proto__'),
    );
    const keys = [
      'model',
      'impl',
      'reference',
      'prompts',
      'data',
      'batchSize',
      'random',
      'seed',
      'length',
      'padding',
      'past',
      'mask',
      'maskFill',
      'maxAbs',
      'minCosine',
      'failOn',
      'format',
      'output',
    ];
    const rawArb = fc.record(Object.fromEntries(keys.map((key) => [key, textArb])), {
      requiredKeys: [],
    });
    fc.assert(
      fc.property(rawArb, (raw) => {
        try {
          expect(parseRunOptions(raw).implementations.length).toBeGreaterThan(0);
        } catch (error) {
          if (!(error instanceof AttnDiffError)) throw error;
        }
      }),
    );
  });
});

import { Command } from '@commander-js/extra-typings';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withRunOptions } from '../../src/commands/run.js';
import { parseRunOptions, type RawRunOptions, type RunConfig } from '../../src/config/index.js';
import { readConfigFile } from '../../src/config/file.js';
import { parseTypedOptions } from '../../src/config/typedOptions.js';
import type { DiffOptions } from '../../src/diffOptions.js';
import { AttnDiffError } from '../../src/errors.js';

/** The options as one would type them, parsed as the command parses them. */
function onCommandLine(options: DiffOptions): RunConfig {
  const args = Object.entries(options).flatMap(([name, value]): string[] => {
    const flag = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (name === 'prompt') return (value as string[]).map((text) => `${flag}=${text}`);
    if (typeof value === 'boolean') return value ? [flag] : [];
    return [`${flag}=${Array.isArray(value) ? value.join(',') : value}`];
  });
  const command = withRunOptions(new Command('run'))
    .option('--model <path>')
    .option('--dtype <dtype>')
    .parse(args, { from: 'user' });
  return parseRunOptions(command.opts() as RawRunOptions);
}

function caught(parse: () => RunConfig): unknown {
  try {
    return parse();
  } catch (error) {
    return error;
  }
}

/** The configuration, or the error with its option as a caller names it. */
function outcome(parse: () => RunConfig): unknown {
  const result = caught(parse);
  if (!(result instanceof AttnDiffError)) return result;
  const { option, ...rest } = (result as AttnDiffError<'bad-option'>).args;
  return {
    code: result.code,
    ...rest,
    option: option
      ?.replace(/^--/, '')
      .replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase()),
  };
}

const word = fc.stringMatching(/^[a-z]{1,6}$/);
const options = fc.record(
  {
    model: word,
    impl: fc.array(
      fc.constantFrom(
        'eager',
        'sdpa',
        'flash',
        'exact',
        'eager:scores=fp32',
        'flash@webgpu',
        'nonsense',
      ),
      { minLength: 1, maxLength: 3 },
    ),
    reference: fc.constantFrom('eager', 'exact', 'nonsense'),
    timeout: fc.oneof(
      fc.double({ min: 0.001, max: 90_000, noNaN: true }),
      fc.constantFrom(0, -1, NaN, Infinity),
    ),
    prompt: fc.array(word, { minLength: 1, maxLength: 2 }),
    random: fc.constantFrom('2x8', '0x8', '2X8') as fc.Arbitrary<'2x8'>,
    data: word,
    batchSize: fc.constantFrom(1, 8, 0, 1.5, 1e21),
    seed: fc.nat(),
    length: fc.integer({ min: -1, max: 64 }),
    padding: fc.constantFrom<('left' | 'right')[]>(
      ['left'],
      ['right'],
      ['left', 'right'],
      ['left', 'left'],
      [],
    ),
    pack: fc.boolean(),
    past: fc.integer({ min: 0, max: 4 }),
    maskFill: fc.constantFrom('min', '-inf', '-1e4'),
    precision: fc.constantFrom('fp32', 'fp16', 'bf16'),
    flashBlock: fc.constantFrom(1, 4096, 4097),
    activations: fc.constantFrom('fp16', 'bf16'),
    maxAbs: fc.double(),
    minCosine: fc.double({ min: -2, max: 2 }),
    maxRatio: fc.double({ min: 0, noNaN: true }),
    requireKernel: fc.boolean(),
    defaultBudgets: fc.constantFrom('off', 'warn', 'error'),
    baseline: word,
    maxRegression: fc.constantFrom(1.5, 2, 0, -1, NaN),
    allow: fc.constantFrom(['cpu'], ['cpu', 'model'], ['nonsense'], []),
  },
  { requiredKeys: ['model'] },
) as fc.Arbitrary<DiffOptions>;

describe('options as values', () => {
  it('come to what the same options come to on the command line, or to the same error', () => {
    fc.assert(
      fc.property(options, (given) => {
        expect(outcome(() => parseTypedOptions(given))).toEqual(
          outcome(() => onCommandLine(given)),
        );
      }),
      { numRuns: 400 },
    );
  });

  it('may be undefined, and are then as if left out', () => {
    expect(
      parseTypedOptions({ model: 'm', impl: undefined, maxAbs: undefined, signal: undefined }),
    ).toEqual(parseRunOptions({ model: 'm' }));
  });

  it('are completed by a file, and replace what it says', () => {
    const file = readConfigFile(
      '{ "model": "n", "impl": ["eager", "exact"], "maxAbs": 1, "budgets": [{ "metric": "kl", "max": 0.1 }] }',
      'c.json',
    );
    const named = { file, fileArguments: ['--config', 'c.json'] };
    expect(parseTypedOptions({ model: 'm', maxAbs: 2, config: 'c.json' }, named)).toEqual(
      parseRunOptions({ model: 'm', maxAbs: '2' }, named),
    );
    expect(() =>
      parseTypedOptions(
        { model: 'm', config: 'c.json' },
        { file: readConfigFile('{ "length": 0 }', 'c.json') },
      ),
    ).toThrow(expect.objectContaining({ code: 'config-file-invalid' }) as Error);
  });

  it('limit numbers and say how much findings count as a file does, after it and before the flags', () => {
    const budgets = [
      {
        metric: 'rel-l2',
        scope: 'local',
        layers: ['0-2', 3],
        implementation: 'flash',
        max: 0.03,
        level: 'warn',
      },
      { metric: 'kl', batch: [1, 'left'], max: 1 },
      { metric: 'min-cosine', level: 'off' },
    ] as const;
    const gate = { budgets, findings: { identical: 'warn', 'kernel-fault': 'error' } } as const;
    const file = (content: object) => readConfigFile(JSON.stringify(content), 'c.json')!;
    const sourceless = ({ gate: { budgets: all, ...rest } }: RunConfig) => ({
      ...rest,
      budgets: all.map(({ source: _source, ...each }) => each),
    });
    expect(sourceless(parseTypedOptions({ model: 'm', ...gate }))).toEqual(
      sourceless(parseRunOptions({ model: 'm' }, { file: file(gate) })),
    );
    const mixed = parseTypedOptions(
      { model: 'm', maxAbs: 2, ...gate },
      {
        file: file({
          budgets: [{ metric: 'bias', max: 1 }],
          findings: { identical: 'off', underflow: 'off' },
        }),
      },
    );
    expect(mixed.gate.budgets.map(({ metric, source }) => [metric, source])).toEqual([
      ['bias', { kind: 'config', path: 'c.json', key: 'budgets[0].max', line: 1 }],
      ['rel-l2', { kind: 'flag', flag: 'budgets[0].max' }],
      ['kl', { kind: 'flag', flag: 'budgets[1].max' }],
      ['min-cosine', { kind: 'flag', flag: 'budgets[2].min' }],
      ['max-abs', { kind: 'flag', flag: '--max-abs' }],
    ]);
    expect(mixed.gate.findings).toEqual({
      identical: 'warn',
      'kernel-fault': 'error',
      underflow: 'off',
    });
  });

  it('make the report of explain', () => {
    expect(parseTypedOptions({ model: 'm', explain: true }).command).toEqual([
      'explain',
      '--model',
      'm',
    ]);
  });

  it.each([
    [{}, { option: 'model', value: null, problem: 'it is missing' }],
    [
      { model: 'm', batchsize: 4 },
      { option: 'batchsize', value: '4', problem: 'there is no such option' },
    ],
    [
      { model: 'm', output: 'o.txt' },
      { option: 'output', value: 'o.txt', problem: 'there is no such option' },
    ],
    [
      { model: 'm', toString: 1 },
      { option: 'toString', value: '1', problem: 'there is no such option' },
    ],
    [
      { model: 'm', maxAbs: '1e-3' },
      { option: 'maxAbs', value: '1e-3', problem: 'it is not a number' },
    ],
    [
      { model: 'm', impl: 'eager,flash' },
      { option: 'impl', value: 'eager,flash', problem: 'it is not an array of strings' },
    ],
    [
      { model: 'm', prompt: ['a', 1] },
      { option: 'prompt', value: 'a,1', problem: 'it is not an array of strings' },
    ],
    [
      { model: 'm', chat: 'yes' },
      { option: 'chat', value: 'yes', problem: 'it is not true or false' },
    ],
    [{ model: null }, { option: 'model', value: 'null', problem: 'it is not a string' }],
    [
      { model: 'm', data: 'd', batchSize: 0 },
      { option: 'batchSize', value: '0' },
    ],
    [
      { model: 'm', past: 3, padding: ['right'] },
      { option: 'padding', value: 'right' },
    ],
    [
      { model: 'm', budgets: [{ metric: 'kl', max: 1 }, { metric: 'kl' }] },
      {
        option: 'budgets[1].max',
        value: null,
        problem: 'it is missing: kl needs max, or level off',
      },
    ],
    [
      { model: 'm', budgets: [{ metric: 'rel-l2', max: 1, layrs: 2 }] },
      {
        option: 'budgets[0].layrs',
        value: '2',
        problem: 'there is no such key (did you mean layers?)',
      },
    ],
    [
      { model: 'm', budgets: [{ metric: 'rel-l2', max: 1, layers: '3-1' }] },
      { option: 'budgets[0].layers', value: '3-1', problem: '3-1 ends before it begins' },
    ],
    [
      { model: 'm', budgets: [{ metric: 'rel-l2', max: NaN }] },
      { option: 'budgets[0].max', value: 'NaN' },
    ],
    [
      { model: 'm', budgets: { metric: 'kl' } },
      { option: 'budgets', value: '{"metric":"kl"}' },
    ],
    [
      { model: 'm', findings: { nonsense: 'off' } },
      { option: 'findings.nonsense', value: 'off', problem: 'there is no such key' },
    ],
    [
      { model: 'm', findings: { identical: 'fatal' } },
      { option: 'findings.identical', value: 'fatal' },
    ],
    [
      { model: 'm', prompt: [] },
      { option: 'prompt', problem: 'it is empty' },
    ],
    [
      { model: 'm', impl: [] },
      { option: 'impl', value: '' },
    ],
  ])('are refused by the name that the caller used: %j', (given, args) => {
    const thrown = caught(() => parseTypedOptions(given as unknown as DiffOptions));
    expect(thrown).toBeInstanceOf(AttnDiffError);
    expect(thrown).toMatchObject({ code: 'bad-option', args, exitCode: 2 });
  });

  it.each([
    [{ impl: ['eager', 'nonsense'] }, 'impl'],
    [{ reference: 'nonsense' }, 'reference'],
  ])('that name no implementation are refused by their name too: %j', (given, option) => {
    expect(caught(() => parseTypedOptions({ model: 'm', ...given }))).toMatchObject({
      code: 'unknown-implementation',
      args: { option, value: 'nonsense' },
    });
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RawRunOptions } from '../../src/config/index.js';
import { parseRunOptions } from '../../src/config/index.js';
import { AttnDiffError } from '../../src/errors.js';

const parse = (raw: RawRunOptions) => parseRunOptions({ model: 'm', ...raw });
const refusal = (option: string, value: string, problem = '') =>
  expect.objectContaining({
    code: 'bad-option',
    args: {
      option,
      value,
      problem: expect.stringContaining(problem),
      remedy: expect.stringMatching(/./),
    },
    exitCode: 2,
  });

describe('what the batches are made of', () => {
  test('defaults', () => {
    expect(parse({})).toMatchObject({
      prompts: { kind: 'built-in' },
      chat: false,
      batchSize: 8,
      length: null,
      padding: ['left', 'right'],
      pack: false,
      past: 0,
      mask: null,
    });
  });

  test('everything given', () => {
    expect(
      parse({ data: 'd.jsonl', batchSize: '3', padding: 'left', pack: true, chat: true }),
    ).toMatchObject({
      prompts: { kind: 'data', path: 'd.jsonl' },
      batchSize: 3,
      padding: ['left'],
      pack: true,
      chat: true,
    });
    expect(parse({ random: '2x9', past: '4' })).toMatchObject({
      past: 4,
      prompts: { kind: 'random' },
    });
    expect(parse({ prompts: 'p.txt', mask: 'm.npy', length: '7' })).toMatchObject({
      mask: 'm.npy',
      length: 7,
    });
  });

  test.each<[RawRunOptions, string[]]>([
    [{ past: '4' }, ['left']],
    [{ past: '4', padding: 'left' }, ['left']],
    [{ past: '4', data: 'd', length: '9' }, ['left']],
    [{ mask: 'm.npy' }, ['right']],
    [{ mask: 'm.npy', padding: 'left' }, ['left']],
    [{ data: 'd' }, ['right']],
    [{ data: 'd', padding: 'left' }, ['left']],
    [{ pack: true }, ['left', 'right']],
    [{ padding: 'right,left' }, ['right', 'left']],
  ])('padding of %o is %o', (raw, padding) => {
    expect(parse(raw).padding).toEqual(padding);
  });

  test.each<[RawRunOptions, string, string, string]>([
    [{ past: '4', padding: 'right' }, '--padding', 'right', '--past'],
    [{ past: '4', padding: 'left,right' }, '--padding', 'left,right', '--past'],
    [{ mask: 'm.npy', padding: 'left,right' }, '--padding', 'left,right', '--mask'],
    [{ data: 'd', padding: 'right,left' }, '--padding', 'right,left', '--data'],
    [{ past: '4', pack: true }, '--past', '4', '--pack'],
    [{ past: '4', mask: 'm.npy' }, '--past', '4', '--mask'],
    [{ batchSize: '4' }, '--batch-size', '4', '--data'],
    [{ prompts: 'p', data: 'd' }, '--data', 'd', '--prompts'],
    [{ prompt: ['t'], data: 'd' }, '--data', 'd', '--prompt'],
    [{ random: '1x2', data: 'd' }, '--random', '1x2', '--data'],
  ])('%o do not go together', (raw, option, value, problem) => {
    expect(() => parse(raw)).toThrow(refusal(option, value, problem));
  });

  test('a shard is a part of the batches, and no part of the command that makes the whole', () => {
    expect(parse({}).shard).toBeNull();
    expect(parse({ shard: '2/3' }).shard).toEqual({ index: 2, count: 3 });
    expect(parse({ shard: '2/3', data: 'd' }).command).toEqual(parse({ data: 'd' }).command);
  });

  test.each([
    ['3/2', 'first'],
    ['0/2', 'first'],
    ['1/0', 'second'],
    ['1/10001', 'second'],
    ['1', 'i/n'],
    ['1/2/3', 'i/n'],
    ['-1/2', 'i/n'],
    ['1.5/2', 'i/n'],
    ['', 'i/n'],
  ])('--shard refuses %j', (shard, problem) => {
    expect(() => parse({ shard })).toThrow(refusal('--shard', shard, problem));
  });

  test.each<[string, string, RawRunOptions]>([
    ['--data', '', { data: '' }],
    ['--batch-size', '0', { data: 'd', batchSize: '0' }],
    ['--batch-size', '2.5', { data: 'd', batchSize: '2.5' }],
    ['--past', '0', { past: '0' }],
    ['--past', '-1', { past: '-1' }],
    ['--past', 'all', { past: 'all' }],
    ['--mask', '', { mask: '' }],
  ])('%s refuses %j', (option, value, raw) => {
    expect(() => parse(raw)).toThrow(refusal(option, value));
  });

  test('any options give inputs that can be run, or an AttnDiffError', () => {
    const rawArb = fc.record(
      {
        prompts: fc.constant('p'),
        prompt: fc.constantFrom<string[][]>([], ['a']),
        data: fc.constant('d'),
        batchSize: fc.constantFrom('4', '0'),
        random: fc.constant('2x9'),
        chat: fc.boolean(),
        length: fc.constant('9'),
        padding: fc.constantFrom('left', 'right', 'left,right', 'middle'),
        pack: fc.boolean(),
        past: fc.constantFrom('3', 'x'),
        mask: fc.constant('m.npy'),
        shard: fc.constantFrom('1/2', '2/1'),
      },
      { requiredKeys: [] },
    );
    const anyOptions = fc.property(rawArb, (raw) => {
      try {
        const { prompts, padding, past, pack, mask } = parse(raw);
        const split = past === 0 || (padding.join() === 'left' && !pack && mask === null);
        const sides = padding.length === 1 || (mask === null && prompts.kind !== 'data');
        return split && sides && (raw.padding === undefined || padding.join() === raw.padding);
      } catch (error) {
        return error instanceof AttnDiffError;
      }
    });
    expect(() => fc.assert(anyOptions, { numRuns: 1000 })).not.toThrow();
  });
});

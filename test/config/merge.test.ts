import { describe, expect, test } from 'vitest';
import {
  parseMergeOptions,
  parseRunOptions,
  type RawMergeOptions,
} from '../../src/config/index.js';

const parse = (raw: RawMergeOptions) => parseMergeOptions(['a.json', 'b.json'], raw);
const refusal = (option: string, problem: string) =>
  expect.objectContaining({
    code: 'bad-option',
    args: expect.objectContaining({
      option,
      problem: expect.stringContaining(problem),
      remedy: expect.stringMatching(/./),
    }),
  });

describe('parseMergeOptions', () => {
  test('defaults', () => {
    expect(parse({})).toEqual({
      files: ['a.json', 'b.json'],
      allow: new Set(),
      reports: [{ format: 'text', path: null }],
      ci: true,
      baseline: null,
      saveBaseline: null,
      history: null,
      command: [],
    });
  });

  test('what may differ between machines, and what from the baseline', () => {
    expect(parse({ allow: 'node, cpu' })).toMatchObject({
      allow: new Set(['node', 'cpu']),
      command: [],
    });
    const { allow, baseline, command } = parse({
      baseline: 'b',
      maxRegression: '2x',
      allow: 'node,kernel,cpu',
    });
    expect(allow).toEqual(new Set(['node', 'cpu']));
    expect(baseline).toEqual({ path: 'b', factor: 2, allow: ['cpu', 'kernel'] });
    // As one run has it that is held against that baseline.
    expect(command).toEqual(
      parseRunOptions({
        model: 'm',
        baseline: 'b',
        maxRegression: '2x',
        allow: 'cpu,kernel',
      }).command.slice(3),
    );
  });

  test.each<[RawMergeOptions, string, string]>([
    [{ allow: 'attnDiff' }, '--allow', 'attnDiff'],
    [{ allow: 'kernel' }, '--allow', 'kernel'],
    [{ maxRegression: '2x' }, '--max-regression', 'no baseline'],
    [{ format: 'xml' }, '--format', 'xml'],
    [{ output: 'a', saveBaseline: 'a' }, '--save-baseline', 'already'],
  ])('%o is refused', (raw, option, problem) => {
    expect(() => parse(raw)).toThrow(refusal(option, problem));
  });

  test('a shard itself is held against no baseline, and is none', () => {
    for (const raw of [{ baseline: 'b' }, { saveBaseline: 'b' }])
      expect(() => parseRunOptions({ model: 'm', shard: '1/2', ...raw })).toThrow(
        refusal(`--${'baseline' in raw ? '' : 'save-'}baseline`, 'a shard'),
      );
  });
});

import { describe, expect, it } from 'vitest';
import { parseRunOptions, readConfigFile } from '../../src/config/index.js';
import { parseTypedOptions } from '../../src/config/typedOptions.js';
import { AttnDiffError } from '../../src/errors.js';

const NAME = 'attn-diff.config.json';
const CONTENT = {
  model: 'm',
  data: 'd.jsonl',
  batchSize: 4,
  heads: true,
  requireKernel: true,
  ci: false,
  baseline: 'b.json',
  maxRegression: '2x',
  allow: ['cpu'],
  history: 'h.jsonl',
  label: 'x',
  maxAbs: 1,
  budgets: [{ metric: 'kl', max: 1 }],
  findings: { identical: 'warn' },
  report: { html: 'a.html' },
};
const file = readConfigFile(JSON.stringify(CONTENT), NAME)!;
const without = (unset?: string) => parseRunOptions({}, { file, unset });

describe('--unset', () => {
  it('leaves out what a configuration file sets, and what goes with that alone', () => {
    expect(without()).toMatchObject({
      batchSize: 4,
      heads: true,
      ci: false,
      baseline: { path: 'b.json', factor: 2 },
      history: { path: 'h.jsonl' },
      gate: { requireKernel: true, findings: { identical: 'warn' } },
      reports: [{ format: 'text' }, { format: 'html' }],
    });
    expect(without('baseline,history,data,ci')).toMatchObject({
      baseline: null,
      history: null,
      prompts: { kind: 'built-in' },
      batchSize: 8,
      ci: true,
      gate: { budgets: [{ metric: 'max-abs' }, { metric: 'kl' }] },
    });
    expect(without('heads, requireKernel,maxAbs,budgets,findings,report')).toMatchObject({
      heads: false,
      gate: { requireKernel: false, budgets: [], findings: {} },
      reports: [{ format: 'text' }],
    });
  });

  it('stands in the command that makes the report again', () => {
    expect(
      parseRunOptions(
        { impl: 'flash' },
        { file, fileArguments: ['--config', 'c.json'], unset: 'baseline,heads' },
      ).command,
    ).toEqual(['run', '--config', 'c.json', '--unset', 'baseline,heads', '--impl', 'flash']);
  });

  it('stands there too where a caller turns off what the file turns on', () => {
    expect(parseTypedOptions({ model: 'm', heads: false, chat: false }, { file })).toMatchObject({
      headsTold: false,
      command: ['run', '--unset', 'heads', '--model', 'm'],
    });
  });

  it('makes room for a shard, which a file with a baseline refuses and says how', () => {
    const shard = (unset?: string) => () => parseRunOptions({ shard: '1/2' }, { file, unset });
    expect(shard('baseline,history')()).toMatchObject({ shard: { index: 1 } });
    expect(shard()).toThrow(
      expect.objectContaining({
        code: 'config-file-invalid',
        args: expect.objectContaining({
          key: 'baseline',
          problem: expect.stringMatching(
            /give it to attn-diff merge instead, and leave it out here with --unset baseline$/,
          ),
        }),
      }),
    );
  });

  it.each([
    ['keys that there are not', 'basline', file, /basline is not one of them/],
    ['no key', '', file, /it is empty/],
    ['a run without a file', 'baseline', null, /no configuration file/],
  ])('refuses %s', (_, unset, from, problem) => {
    const parse = () => parseRunOptions({ model: 'm' }, { file: from, unset });
    expect(parse).toThrow(AttnDiffError);
    expect(parse).toThrow(
      expect.objectContaining({
        code: 'bad-option',
        args: expect.objectContaining({
          option: '--unset',
          problem: expect.stringMatching(problem),
        }),
      }),
    );
  });
});

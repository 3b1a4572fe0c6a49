import { describe, expect, it } from 'vitest';
import { parseRunOptions, readConfigFile, type OutsideKey } from '../../src/config/index.js';
import type { ParseOptions, RunConfig } from '../../src/config/run.js';
import type { AttnDiffError } from '../../src/errors.js';

type Given = Parameters<typeof parseRunOptions>[0];

/** What a configuration that was found does to a run. */
function found(
  content: object,
  given: Given = {},
  outside: readonly OutsideKey[] = [],
  rest: ParseOptions = {},
): NonNullable<RunConfig['configuration']> {
  const file = readConfigFile(JSON.stringify({ model: 'm', ...content }), 'attn-diff.config.json')!;
  return parseRunOptions(
    { ci: true, ...given },
    { ...rest, file: { ...file, isFound: true, outside } },
  ).configuration!;
}

const weakened = (content: object, given: Given = {}, rest: ParseOptions = {}): unknown[] =>
  found(content, given, [], rest).weakens.map((each) =>
    each.kind === 'option' ? [each.key, each.value, each.usual] : each.key,
  );

describe('what a configuration weakens', () => {
  it.each([
    [{ failOn: 'none' }, ['failOn', 'none', 'nan']],
    [{ defaultBudgets: 'off' }, ['defaultBudgets', 'off', 'error']],
    [{ defaultBudgets: 'warn' }, ['defaultBudgets', 'warn', 'error']],
    [{ impl: ['eager', 'sdpa'] }, ['impl', 'eager,sdpa', 'eager,sdpa,flash']],
    [{ padding: 'right' }, ['padding', 'right', 'left,right']],
    [{ baseline: 'b.json', maxRegression: 3 }, ['maxRegression', '3', '1.5x']],
    [{ baseline: 'b.json', allow: ['model'] }, ['allow', 'model', 'nothing']],
    [{ ci: false }, ['ci', 'false', 'true']],
    [{ findings: { 'local-divergence': 'off' } }, ['findings.local-divergence', 'off', 'warn']],
  ])('%j', (content, expected) => {
    expect(weakened(content)).toEqual([expected]);
  });

  it.each([
    { failOn: 'nan', defaultBudgets: 'error', ci: true },
    { impl: ['original', 'eager', 'sdpa@cpu', 'flash:block=64', 'exact'] },
    { padding: ['right', 'left'] },
    { requireKernel: true, maxAbs: 1e-3 },
    { baseline: 'b.json', maxRegression: '1.2x' },
    { findings: { 'local-divergence': 'error', 'kernel-fallback': 'off', 'non-finite': 'off' } },
    { data: 'd.jsonl', padding: 'left' },
    { past: 3, padding: 'left' },
  ])('is nothing: %j', (content) => {
    expect(weakened(content)).toEqual([]);
  });

  it('is what is in force: not what is given otherwise, or left out', () => {
    const content = {
      failOn: 'none',
      impl: ['eager'],
      findings: { 'local-divergence': 'off' },
      ci: false,
    };
    expect(weakened(content, { failOn: 'nan', impl: 'eager,flash', ci: false })).toEqual([
      ['findings.local-divergence', 'off', 'warn'],
    ]);
    expect(weakened(content, {}, { unset: 'failOn,impl,findings' })).toEqual([
      ['ci', 'false', 'true'],
    ]);
  });
});

describe('a path outside of the folder of a configuration that was found', () => {
  const writes: OutsideKey = {
    key: 'report.html',
    path: '/etc/page.html',
    isWritten: true,
    place: 'outside',
  };
  const reads: OutsideKey = {
    key: 'prompts',
    path: '/etc/passwd',
    isWritten: false,
    place: 'outside',
  };
  const content = { prompts: '/etc/passwd', report: { html: '/etc/page.html' } };

  it('is not written to', () => {
    expect(() => found(content, {}, [writes])).toThrow(
      expect.objectContaining({
        code: 'config-file-outside',
        exitCode: 2,
        args: {
          path: 'attn-diff.config.json',
          line: 1,
          key: 'report.html',
          target: '/etc/page.html',
          place: 'outside',
          flag: '--report',
        },
      }) as AttnDiffError,
    );
  });

  it('is of no matter where the file does not decide', () => {
    expect(found(content, { report: ['html=mine.html'] }, [writes]).outside).toEqual([]);
    expect(found(content, {}, [writes], { unset: 'report' }).outside).toEqual([]);
    expect(found(content, { random: '2x8' }, [reads]).outside).toEqual([]);
  });

  it('may be read, which is said', () => {
    expect(found(content, {}, [reads]).outside).toEqual([{ key: 'prompts', path: '/etc/passwd' }]);
  });
});

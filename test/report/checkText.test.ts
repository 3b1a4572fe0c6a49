import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkPlace, checkText, passingLimit, sourceText } from '../../src/report/checkText.js';
import { commandFor, commandText, shellQuote } from '../../src/report/commandText.js';
import type { Check } from '../../src/types.js';

const CHECK: Check = {
  name: 'rel-l2', level: 'error', operator: '<=', expected: 1e-4, actual: 0.00239, layer: 3, implementation: 'flash', tap: 'attention', scope: 'local', batch: 'left', kind: 'valid', subject: null, source: { kind: 'default', precision: 'fp32' }, passed: false,
};
const REPORT = { command: ['run', '--model', 'm', '--padding', 'left,right', '--impl', 'eager,sdpa,flash'], reference: 'eager' };

describe('a check that was missed', () => {
  it('names metric, implementation, value, place, limit, the limit that would pass, where it is set, and the command', () => {
    expect(checkText(CHECK, REPORT)).toBe(
      'rel-l2, flash: relative L2 is 0.00239 at layer 3, attention, local, batch left; the limit is 1e-4 (the default for fp32). Smallest limit that passes: 0.00239 (a budget of your own, or --default-budgets off). Again: attn-diff run --model m --padding left --impl flash',
    );
    expect(checkText({ ...CHECK, source: { kind: 'config', path: 'attn-diff.config.json', key: 'budgets[2].limit', line: 14 } }, REPORT)).toContain('Smallest limit that passes: 0.00239, at attn-diff.config.json:14, budgets[2].limit.');
    expect(checkText({ ...CHECK, source: { kind: 'flag', flag: '--max-abs' } }, REPORT)).toContain('the limit is 1e-4. Smallest limit that passes: --max-abs 0.00239.');
  });

  it('says of a cosine the largest limit, and of NaN that there is none', () => {
    expect(checkText({ ...CHECK, name: 'min-cosine', operator: '>=', actual: 0.5, expected: 0.9 }, REPORT)).toContain('Largest limit that passes: 0.5');
    expect(checkText({ ...CHECK, actual: NaN }, REPORT)).toContain('No limit lets NaN or Inf pass.');
    expect(passingLimit({ ...CHECK, actual: Infinity })).toBeNull();
  });

  it('says that nothing could be measured', () => {
    expect(checkText({ ...CHECK, actual: NaN, layer: null, tap: null, scope: null, batch: null, kind: null }, REPORT)).toContain('there is nothing that it could be measured on, and comparing nothing is a failure');
  });

  it('has a limit that passes indeed', () => {
    fc.assert(fc.property(fc.double({ min: 1e-300, max: 1e300, noNaN: true }), (actual) => void expect(Number(passingLimit({ ...CHECK, actual }))).toBeGreaterThanOrEqual(actual)));
    fc.assert(fc.property(fc.double({ min: -1, max: 1, noNaN: true }), (actual) => void expect(Number(passingLimit({ ...CHECK, name: 'min-cosine', operator: '>=', actual }))).toBeLessThanOrEqual(actual)));
  });

  it('names the kind of token where it is not valid ones', () => {
    expect(checkPlace({ ...CHECK, kind: 'fullyMasked' })).toBe('layer 3, attention, local, batch left, fully masked tokens');
    expect(sourceText({ kind: 'always' })).toBe('');
  });
});

describe('the command that shows a check again', () => {
  it('asks for the implementation and the padding alone, where they can be asked for', () => {
    expect(commandFor({ implementation: 'eager', batch: 'right' }, REPORT)).toBe('attn-diff run --model m --padding right --impl eager,sdpa,flash');
    expect(commandFor({ implementation: 'eager#2', batch: '7' }, REPORT)).toBe('attn-diff run --model m --padding left,right --impl eager,sdpa,flash');
    expect(commandFor({ implementation: 'sdpa', batch: 'left' }, { ...REPORT, command: ['run', '--model=m', '--data', 'd.jsonl'] })).toBe('attn-diff run --model=m --data d.jsonl --impl sdpa');
  });

  it('is what a shell reads back, whatever is in it', () => {
    const awkward = ["it's", '', '$HOME `id` "x"', 'a\nb', '--', '*', String.raw`\'`, '日本語'];
    const script = `for each in ${awkward.map(shellQuote).join(' ')}; do printf '%s\\0' "$each"; done`;
    expect(execFileSync('sh', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1)).toEqual(awkward);
    expect(commandText(['run', '--prompt', 'two words'])).toBe("attn-diff run --prompt 'two words'");
  });
});

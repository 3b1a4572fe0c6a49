import { execFileSync, spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkCommand,
  checkPlace,
  checkSentences,
  passingLimit,
  sourceText,
} from '../../src/report/checkText.js';
import { passingFactor } from '../../src/report/regressionText.js';
import {
  argumentsFor,
  commandLines,
  commandText,
  type Commanded,
} from '../../src/report/commandText.js';
import { shellQuote } from '../../src/shellQuote.js';
import { displayWidth, printable } from '../../src/report/text/width.js';
import type { Check } from '../../src/types.js';

const CHECK: Check = {
  name: 'rel-l2',
  level: 'error',
  operator: '<=',
  expected: 1e-4,
  actual: 0.00239,
  layer: 3,
  implementation: 'flash',
  tap: 'attention',
  scope: 'local',
  batch: 'left',
  kind: 'valid',
  subject: null,
  source: { kind: 'default', precision: 'fp32' },
  passed: false,
};
const REPORT = {
  command: ['run', '--model', 'm', '--padding', 'left,right', '--impl', 'eager,sdpa,flash'],
  reference: 'eager',
  baseline: null,
};

function checkText(check: Check, report: Commanded): string {
  return `${checkSentences(check)} Again: ${checkCommand(check, report)}`;
}

function commandFor(
  check: Pick<Check, 'name' | 'implementation' | 'batch'>,
  report: Commanded,
): string {
  return commandText(argumentsFor(check, report));
}

describe('a check that was missed', () => {
  it('names metric, implementation, value, place, limit, the limit that would pass, where it is set, and the command', () => {
    expect(checkText(CHECK, REPORT)).toBe(
      'rel-l2, flash: relative L2 is 0.00239 at layer 3, attention, local, batch left; the limit is 1e-4 (the default for fp32). Smallest limit that passes: 0.00239 (a budget of your own, or --default-budgets off). Again: attn-diff run --model m --padding left --impl flash',
    );
    expect(
      checkText(
        {
          ...CHECK,
          source: {
            kind: 'config',
            path: 'attn-diff.config.json',
            key: 'budgets[2].limit',
            line: 14,
          },
        },
        REPORT,
      ),
    ).toContain(
      'Smallest limit that passes: 0.00239, at attn-diff.config.json:14, budgets[2].limit.',
    );
    expect(checkText({ ...CHECK, source: { kind: 'flag', flag: '--max-abs' } }, REPORT)).toContain(
      'the limit is 1e-4. Smallest limit that passes: --max-abs 0.00239.',
    );
  });

  it('says of a cosine the largest limit, and of NaN that there is none', () => {
    expect(
      checkText(
        { ...CHECK, name: 'min-cosine', operator: '>=', actual: 0.5, expected: 0.9 },
        REPORT,
      ),
    ).toContain('Largest limit that passes: 0.5');
    expect(checkText({ ...CHECK, actual: NaN }, REPORT)).toContain(
      'No limit lets NaN or Inf pass.',
    );
    expect(passingLimit({ ...CHECK, actual: Infinity })).toBeNull();
  });

  it('says that nothing could be measured', () => {
    expect(
      checkText(
        { ...CHECK, actual: NaN, layer: null, tap: null, scope: null, batch: null, kind: null },
        REPORT,
      ),
    ).toContain(
      'there is nothing that it could be measured on, and comparing nothing is a failure; the limit is 1e-4',
    );
    expect(
      checkText(
        {
          ...CHECK,
          level: 'warn',
          actual: NaN,
          layer: null,
          tap: null,
          scope: null,
          batch: null,
          kind: null,
        },
        REPORT,
      ),
    ).toContain('rel-l2, flash: there is nothing that it could be measured on; the limit is 1e-4');
  });

  it('names the entry of a budget that matches nothing', () => {
    const check: Check = {
      ...CHECK,
      actual: NaN,
      subject: 'batch rigth',
      implementation: 'eager',
      layer: null,
      tap: null,
      scope: null,
      batch: null,
      kind: null,
      source: { kind: 'config', path: 'c.json', key: 'budgets[0].max', line: 3 },
    };
    expect(checkText(check, REPORT)).toBe(
      'rel-l2: batch rigth, which the budget names, matches nothing that was measured, and comparing less than was asked is a failure; the limit is 1e-4 (c.json:3, budgets[0].max). Correct it, or take it out of the budget. Again: attn-diff run --model m --padding left,right --impl eager,sdpa,flash',
    );
  });

  it('is shown again by the whole run where a budget of a configuration may name what a part of it lacks', () => {
    const checks: Check[] = [
      CHECK,
      { ...CHECK, source: { kind: 'config', path: 'c.json', key: 'budgets[0].max', line: 3 } },
    ];
    expect(checkCommand(CHECK, { ...REPORT, verdict: { checks } })).toBe(
      'attn-diff run --model m --padding left,right --impl eager,sdpa,flash',
    );
    expect(checkCommand(CHECK, { ...REPORT, verdict: { checks: checks.slice(0, 1) } })).toBe(
      'attn-diff run --model m --padding left --impl flash',
    );
  });

  it('has the very limit that passes, which no other is nearer than', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }),
        (actual) => void expect(Number(passingLimit({ ...CHECK, actual }))).toBe(actual),
      ),
    );
    fc.assert(
      fc.property(
        fc.double({ min: -1, max: 1, noNaN: true }),
        (actual) =>
          void expect(
            Number(passingLimit({ ...CHECK, name: 'min-cosine', operator: '>=', actual })),
          ).toBe(actual === 0 ? 0 : actual),
      ),
    );
    expect(passingLimit({ ...CHECK, actual: 1.03274999999e-5 })).toBe('1.03274999999e-5');
  });

  it('has a command, whatever it is about', () => {
    const nowhere = { layer: null, tap: null, scope: null, batch: null, kind: null } as const;
    expect(checkCommand({ ...CHECK, ...nowhere, name: 'kernel' }, REPORT)).toBe(
      'attn-diff run --model m --padding left,right --impl flash',
    );
    expect(
      checkCommand(
        { ...CHECK, ...nowhere, name: 'finding', subject: 'kernel-fault', batch: 'left' },
        REPORT,
      ),
    ).toBe('attn-diff run --model m --padding left --impl flash');
    for (const check of [
      { ...CHECK, ...nowhere, name: 'completed' },
      { ...CHECK, ...nowhere, name: 'compared', implementation: 'eager' },
      { ...CHECK, ...nowhere, actual: NaN },
    ] as const)
      expect(checkCommand(check, REPORT)).toBe(
        'attn-diff run --model m --padding left,right --impl eager,sdpa,flash',
      );
  });

  it('names the kind of token where it is not valid ones', () => {
    expect(checkPlace({ ...CHECK, kind: 'fullyMasked' })).toBe(
      'layer 3, attention, local, batch left, fully masked tokens',
    );
    expect(sourceText({ kind: 'always' })).toBe('');
  });
});

describe('a regression', () => {
  const REGRESSION: Check = {
    ...CHECK,
    name: 'regression',
    subject: 'rel-l2',
    expected: 3e-4,
    source: { kind: 'baseline', path: 'base.json', was: 2e-4, factor: 1.5 },
  };
  const held = { ...REPORT, command: [...REPORT.command, '--baseline', 'base.json'] };

  it('names what the number was and is, the place, the factor, and the smallest factor that passes', () => {
    expect(checkText(REGRESSION, held)).toBe(
      'regression, flash: relative L2 is 0.00239 at layer 3, attention, local, batch left, where base.json has 2.00e-4, so it grew 12.0 times; 1.5 times is allowed (--max-regression). Smallest factor that passes: --max-regression 11.950000000000001x; or save a new baseline (--save-baseline). Again: attn-diff run --model m --padding left,right --impl eager,sdpa,flash --baseline base.json',
    );
  });

  it('says where rounding is what allows more, and where no factor helps', () => {
    expect(
      checkText(
        {
          ...REGRESSION,
          expected: 1e-5,
          source: { kind: 'baseline', path: 'base.json', was: 0, factor: 1.5 },
        },
        held,
      ),
    ).toContain(
      'where base.json has 0; 1.00e-5 is allowed, which rounding or chance explains. No factor lets it pass; a new baseline (--save-baseline) does.',
    );
    expect(checkText({ ...REGRESSION, actual: NaN }, held)).toContain(
      'relative L2 is NaN at layer 3, attention, local, batch left, where base.json has 2.00e-4; 1.5 times is allowed (--max-regression). No factor lets it pass;',
    );
  });

  it('says that nothing could be compared', () => {
    const nowhere = {
      actual: NaN,
      layer: null,
      tap: null,
      scope: null,
      batch: null,
      kind: null,
      subject: null,
      source: { kind: 'baseline', path: 'base.json', was: NaN, factor: 1.5 },
    } as const;
    expect(checkText({ ...REGRESSION, ...nowhere }, held)).toMatch(
      /^regression: no number of this run could be held against base\.json, and comparing nothing is a failure\. Save a new baseline \(--save-baseline\)\. Again: /,
    );
  });

  it('says how much was compared where that is less than was asked', () => {
    const nowhere = {
      layer: null,
      tap: null,
      scope: null,
      batch: null,
      kind: null,
      source: { kind: 'baseline', path: 'base.json', was: NaN, factor: 1.5 },
    } as const;
    expect(
      checkText(
        {
          ...REGRESSION,
          ...nowhere,
          operator: '==',
          actual: 1,
          expected: 2094,
          subject: 'compared',
        },
        held,
      ),
    ).toMatch(
      /^regression: 1 of 2,094 numbers could be compared with base\.json, and comparing less than was asked is a failure: the others are in one of the two alone, or are NaN or infinite there\. Run what was run then, or save a new baseline \(--save-baseline\)\. Again: /,
    );
  });

  it('names the factor that passes, and no smaller one does', () => {
    const number = fc.double({ min: 1e-150, max: 1e150, noNaN: true });
    fc.assert(
      fc.property(number, number, (was, actual) => {
        const factor = Number(passingFactor(was, actual));
        expect(factor * was).toBeGreaterThanOrEqual(actual);
        const bits = new BigUint64Array(new Float64Array([factor]).buffer);
        bits[0]! -= 1n;
        expect(new Float64Array(bits.buffer)[0]! * was).toBeLessThan(actual);
      }),
      { examples: [[5e-324, 1.5e-323]] },
    );
    // Here 2.5 is the ratio as it is rounded, and 2.5 times the one is still below the other.
    expect(0.004550999965493423 * 2.5).toBeLessThan(0.011377499913733559);
    expect(passingFactor(0.004550999965493423, 0.011377499913733559)).toBe('2.5000000000000004');
    expect(passingFactor(0, 1)).toBeNull();
    expect(passingFactor(1, Infinity)).toBeNull();
  });
});

describe('the command that shows a check again', () => {
  it('leaves a baseline to the checks of it, which need all that it was made of', () => {
    const command = [
      'run',
      '--model',
      'm',
      '--impl',
      'sdpa,flash',
      '--baseline=b.json',
      '--max-regression',
      '2x',
      '--allow',
      'cpu',
      '--heads',
    ];
    expect(
      commandFor({ name: 'max-abs', implementation: 'flash', batch: null }, { ...REPORT, command }),
    ).toBe('attn-diff run --model m --impl flash --heads');
    expect(
      commandFor(
        { name: 'regression', implementation: 'flash', batch: 'left' },
        { ...REPORT, command },
      ),
    ).toBe(
      'attn-diff run --model m --impl sdpa,flash --baseline=b.json --max-regression 2x --allow cpu --heads',
    );
  });

  it('leaves the baseline of a configuration file out, which no implementation alone could be held against', () => {
    const held = (...command: string[]) =>
      commandFor(
        { name: 'rel-l2', implementation: 'flash', batch: null },
        { command: ['run', ...command], reference: 'eager', baseline: {} },
      );
    expect(held()).toBe('attn-diff run --unset baseline --impl flash');
    expect(held('--unset', 'heads', '--max-regression', '2x')).toBe(
      'attn-diff run --unset heads,baseline --impl flash',
    );
    expect(held('--unset=heads')).toBe('attn-diff run --unset heads,baseline --impl flash');
    expect(held('--baseline', 'b.json')).toBe('attn-diff run --impl flash');
    expect(
      commandFor(
        { name: 'regression', implementation: 'flash', batch: null },
        { command: ['run'], reference: 'eager', baseline: {} },
      ),
    ).toBe('attn-diff run');
  });

  it('asks for the implementation and the padding alone, where they can be asked for', () => {
    expect(commandFor({ name: 'max-abs', implementation: 'eager', batch: 'right' }, REPORT)).toBe(
      'attn-diff run --model m --padding right --impl eager,sdpa,flash',
    );
    expect(commandFor({ name: 'max-abs', implementation: 'eager#2', batch: '7' }, REPORT)).toBe(
      'attn-diff run --model m --padding left,right --impl eager,sdpa,flash',
    );
    expect(
      commandFor(
        { name: 'max-abs', implementation: 'sdpa', batch: 'left' },
        { ...REPORT, command: ['run', '--model=m', '--data', 'd.jsonl'] },
      ),
    ).toBe('attn-diff run --model=m --data d.jsonl --impl sdpa');
  });

  const isThere = (shell: string): boolean => spawnSync(shell, ['-c', ':']).status === 0;

  it.each(
    [
      ['sh', []],
      ['bash', [String.raw`\n` + '\n']],
      ['zsh', ['%=\n']],
      ['fish', []],
    ].filter(([shell]) => isThere(shell as string)) as [string, string[]][],
  )('is what %s reads back, whatever is in it', (shell, more) => {
    const awkward = [
      "it's",
      '',
      '$HOME `id` "x"',
      '--',
      '-n',
      '*',
      String.raw`\'`,
      String.raw`a\\b\ `.trim(),
      String.raw`\n`,
      '日本語',
      'two  spaces',
      '#2',
      '~',
      '~root',
      '=ls',
      '%self',
      '{a,b}',
      'a!b',
      "it's!!",
      '$(id)',
      '(id)',
      ';id',
      '&',
      '|',
      '<>',
      '^',
      '?',
      '[a]',
      'x=y',
      'a\nb',
      "\tit's\r\n\u0001\u001B[31m\u007F",
      '\u0085\u2028x',
      'a\u202Eb\u200B',
      '100%\t\\',
      ...more,
    ];
    const quoted = awkward.map(shellQuote);
    expect(quoted.filter((each) => each !== printable(each) || each.includes('\n'))).toEqual([]);
    const echo = (words: string): string[] =>
      execFileSync(
        shell,
        [
          '-c',
          `f() { for each in "$@"; do printf '%s\\0' "$each"; done; }; ${words.replace('attn-diff', 'f')}`,
        ].map((text) =>
          shell === 'fish' && text !== '-c'
            ? `function f; printf '%s\\0' $argv; end; ${words.replace('attn-diff', 'f')}`
            : text,
        ),
        { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C.UTF-8' } },
      )
        .split('\0')
        .slice(0, -1);
    expect(echo(commandText(awkward))).toEqual(awkward);
    for (const width of [5, 20, 60])
      expect(echo(commandLines(awkward, width, '    ').join('\n'))).toEqual(awkward);
  });

  it('is broken between options only, within the width where they are shorter', () => {
    expect(commandLines(['run', '--model', 'a b', '--heads', '--impl', 'flash'], 22, '  ')).toEqual(
      ['attn-diff run \\', "  --model 'a b' \\", '  --heads \\', '  --impl flash'],
    );
    for (const width of [30, 40, 80])
      expect(
        commandLines([...REPORT.command, '--prompt', 'some text'], width, '    ').filter(
          (line) => displayWidth(line) > width,
        ),
      ).toEqual([]);
    expect(commandText(['run', '--prompt', 'two words'])).toBe(
      "attn-diff run --prompt 'two words'",
    );
  });
});

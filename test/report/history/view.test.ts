import { csvParse } from 'd3';
import fc from 'fast-check';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { documentJsonSchema, HISTORY_FORMATS, historyOf } from '../../../src/report/index.js';
import { plot } from '../../../src/report/history/plot.js';
import { contextOf } from '../../../src/report/text/context.js';
import { displayWidth } from '../../../src/report/text/width.js';
import { HISTORY_METRICS, type HistoryMetric, type HistoryRun } from '../../../src/types.js';
import { anyRun, implementation, place, reference, run } from './sample.js';

const wide = { width: 160, color: false };

function text(
  runs: HistoryRun[],
  view: { metrics?: readonly HistoryMetric[]; last?: number | null } = {},
  options = wide,
): string {
  return HISTORY_FORMATS.text(
    historyOf(runs),
    { path: 'h.jsonl', metrics: view.metrics ?? ['local'], last: view.last ?? null },
    options,
  );
}

const drifted = run('step-3', {
  passed: false,
  failedChecks: 2,
  implementations: [
    reference,
    implementation('flash', { local: place(3e-3, { layer: 12 }), accumulated: place(9e-3) }),
  ],
});
const broken = run('step-4', {
  passed: false,
  failedChecks: 3,
  implementations: [
    reference,
    implementation('flash', {
      local: place(NaN),
      accumulated: place(NaN),
      nonFinite: 64,
      effect: { targets: 10, loss: NaN, deltaLoss: NaN, kl: NaN, flips: 10 },
    }),
  ],
});
const story = [run('step-1'), run('step-2'), drifted, broken, run('step-5')];

describe('what turned', () => {
  it('is the first run that drifted, the first with NaN, and each turn of the verdict', () => {
    expect(historyOf(story).marks).toEqual([
      { kind: 'beyond-rounding', scope: 'local', run: 2, implementation: 'flash' },
      { kind: 'beyond-rounding', scope: 'accumulated', run: 2, implementation: 'flash' },
      { kind: 'verdict', run: 2, passed: false },
      { kind: 'non-finite', run: 3, implementation: 'flash' },
      { kind: 'verdict', run: 4, passed: true },
    ]);
  });

  it('is told of the first run too, but for the verdict, which turned from nothing', () => {
    expect(historyOf([broken]).marks).toEqual([
      { kind: 'non-finite', run: 0, implementation: 'flash' },
    ]);
    expect(text([broken])).toContain(
      'flash has NaN or Inf on valid tokens, in the first run already: 64 elements.',
    );
  });

  it('blames the reference for NaN that is its own', () => {
    const own = { ...reference, nonFinite: 8 };
    const nan = implementation('flash', {
      local: place(NaN),
      accumulated: place(NaN),
      nonFinite: 0,
    });
    expect(historyOf([run('a', { implementations: [own, nan] })]).marks).toEqual([
      { kind: 'non-finite', run: 0, implementation: 'eager' },
    ]);
  });

  it('takes a distance that is NaN for one, where nothing else tells of it', () => {
    const nan = implementation('flash', { local: place(NaN) });
    expect(historyOf([run('a', { implementations: [reference, nan] })]).marks).toEqual([
      { kind: 'beyond-rounding', scope: 'local', run: 0, implementation: 'flash' },
    ]);
  });

  it('takes a count that is NaN itself for one that is not 0', () => {
    const nan = implementation('flash', { nonFinite: NaN });
    expect(historyOf([run('a', { implementations: [reference, nan] })]).marks).toEqual([
      { kind: 'non-finite', run: 0, implementation: 'flash' },
    ]);
  });

  it('is another set-up, and an implementation that did not run to its end', () => {
    const crashed = run('b', {
      setup: 'c'.repeat(64),
      implementations: [
        reference,
        implementation('flash', {
          failure: 'out-of-memory',
          local: null,
          accumulated: null,
          effect: null,
        }),
      ],
    });
    expect(historyOf([run('a'), crashed]).marks).toEqual([
      { kind: 'setup', run: 1 },
      { kind: 'failed', run: 1, implementation: 'flash' },
    ]);
    expect(text([run('a'), crashed])).toContain(
      '✗ b: flash did not run to its end, for the first time: it ran out of memory.',
    );
  });

  it('is nothing where all is well', () => {
    expect(historyOf([run('a'), run('b')]).marks).toEqual([]);
    expect(text([run('a'), run('b')])).toContain(
      'Nothing turned: every run has the verdict PASSED',
    );
  });
});

describe('a history as text', () => {
  it('tells the runs, plots them, and says what turned', () => {
    const lines = text(story, { metrics: ['local', 'loss'] });
    expect(lines).toContain('Runs       5, 2026-01-31 23:59 to 2026-01-31 23:59 UTC');
    expect(lines).toMatch(
      /^step-3 +2026-01-31 23:59 +FAILED +eager \* +– .*\n +flash +0\.00300 ! +12 +0\.00900 ! +\+1\.00e-8 +\S+ +0 +0 +◀ local, accum\.$/m,
    );
    expect(lines).toMatch(/^ +flash +NaN ! +1 +NaN ! +NaN +NaN +10 +64 +◀ NaN, Inf$/m);
    expect(lines).toMatch(
      /Largest local relative L2\nA mark for each run: ▁ 1\.00e-7 to █ 0\.00300 \(log scale\), × NaN\.\n\nflash +▁▁█×▁\nverdict +✓✓✗✗✓\n/,
    );
    expect(lines).toMatch(
      /Loss\nA mark for each run: ▅ 2\.0000, × NaN\.\n\neager +▅▅▅▅▅\nflash +▅▅▅×▅\n/,
    );
    expect(lines).toContain(
      '✗ step-3: flash parts from eager by more than rounding explains, for the first time: local relative',
    );
    expect(lines).toContain('✗ step-3: the verdict turned to FAILED: 2 checks missed.');
    expect(lines).toContain('✓ step-5: the verdict turned to PASSED.');
  });

  it('shows the last runs only where that is asked for, and still says what turned before them', () => {
    const lines = text(story, { last: 1 });
    expect(lines).toContain('; the last 1 are shown');
    expect(lines).not.toMatch(/^step-4/m);
    expect(lines).toContain('✗ step-4, 1 run before those shown: flash has NaN');
    expect(lines).toMatch(/flash +▅\nverdict +✓/);
    expect(
      JSON.parse(HISTORY_FORMATS.json(historyOf(story), { path: 'h', metrics: [], last: 2 }, wide)),
    ).toMatchObject({
      runs: [{ label: 'step-4' }, { label: 'step-5' }],
      marks: [
        { kind: 'non-finite', run: 0 },
        { kind: 'verdict', run: 1 },
      ],
    });
  });

  it('has no line that is longer than the terminal, and no colour unless it is asked for', () => {
    fc.assert(
      fc.property(
        fc.array(anyRun, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 60, max: 200 }),
        fc.boolean(),
        (runs, width, color) => {
          const written = text(runs, { metrics: HISTORY_METRICS }, { width, color });
          expect(
            Math.max(...stripVTControlCharacters(written).split('\n').map(displayWidth)),
          ).toBeLessThanOrEqual(width);
        },
      ),
      { numRuns: 60 },
    );
    expect(text(story)).toBe(stripVTControlCharacters(text(story, {}, { ...wide, color: true })));
    expect(text(story, {}, { ...wide, color: true })).not.toBe(text(story));
  });
});

describe('a plot', () => {
  const context = contextOf({ width: 60, color: false });
  const marksOf = (lines: string[], name: string): string[] => [
    ...lines
      .find((line) => line.startsWith(name))!
      .slice(name.length)
      .trim(),
  ];
  const of = (values: (number | null)[]): HistoryRun[] =>
    values.map((relL2, i) =>
      run(`s${i}`, {
        passed: !Number.isNaN(relL2),
        implementations: [
          reference,
          implementation('flash', { local: relL2 === null ? null : place(relL2) }),
        ],
      }),
    );

  it('stands as high as the logarithm, 0 lowest', () => {
    const lines = plot(of([0, 1e-8, 1e-6, 1e-4, 1e-1, null, Infinity]), 'local', context);
    expect(lines.slice(0, 4).join(' ')).toContain(
      '▁ 1.00e-8 and 0 to █ 0.100 (log scale), ∞ infinite, · no number.',
    );
    // ln: 0/7, 2/7, 4/7 and 7/7 of the way, in eight steps.
    expect(marksOf(lines, 'flash')).toEqual([...'▁▁▃▅█·∞']);
  });

  it('never hides NaN, a failed run or the largest number, however many runs share a mark', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 700 }), fc.nat(), (count, at) => {
        const values = Array.from({ length: count }, (_, i) => (i === at % count ? NaN : 1e-7));
        const lines = plot(of(values), 'local', context);
        expect(marksOf(lines, 'flash').filter((mark) => mark === '×')).toHaveLength(1);
        expect(marksOf(lines, 'verdict').indexOf('✗')).toBe(marksOf(lines, 'flash').indexOf('×'));
        const high = plot(
          of(values.map((value) => (Number.isNaN(value) ? 1 : value))),
          'local',
          context,
        );
        expect(marksOf(high, 'flash').filter((mark) => mark === '█')).toHaveLength(
          count === 1 ? 0 : 1,
        );
      }),
      { numRuns: 60 },
    );
  });

  it('keeps 0 apart from the one number that there is', () => {
    const lines = plot(of([0, 1e-6, 0]), 'local', context);
    expect(lines[1]).toContain('▁ 0, █ 1.00e-6.');
    expect(marksOf(lines, 'flash')).toEqual([...'▁█▁']);
    expect(marksOf(plot(of([0, 0]), 'local', context), 'flash')).toEqual([...'▁▁']);
  });

  it('of headroom takes the smallest for the worst', () => {
    const runs = Array.from({ length: 100 }, (_, i) =>
      run(`s${i}`, {
        range: { maxScore: 1, headroom: i === 50 ? 0.5 : 600, batch: 'left', layer: 0 },
      }),
    );
    expect(
      marksOf(plot(runs, 'headroom', context), 'eager').filter((mark) => mark === '▁'),
    ).toHaveLength(1);
  });

  it('says so where there is nothing to plot', () => {
    expect(plot([run('a', { implementations: [reference] })], 'local', context).at(-1)).toBe(
      'Not measured in these runs.',
    );
  });
});

describe('a history for other programs', () => {
  it('is JSON as its schema says', () => {
    const schema = z.fromJSONSchema(
      documentJsonSchema('history') as Parameters<typeof z.fromJSONSchema>[0],
    );
    const document = JSON.parse(
      HISTORY_FORMATS.json(historyOf(story), { path: 'h', metrics: [], last: null }, wide),
    ) as { runs: { implementations: { local: { relL2: unknown } }[] }[] };
    expect(schema.safeParse(document).success).toBe(true);
    expect(document.runs[3]!.implementations[1]!.local.relL2).toBe('NaN');
    expect(schema.safeParse({ ...document, marks: [{ kind: 'verdict', run: 1 }] }).success).toBe(
      false,
    );
  });

  it('is CSV with a line for each run and implementation', () => {
    const rows = csvParse(
      HISTORY_FORMATS.csv(historyOf(story), { path: 'h', metrics: [], last: null }, wide),
    );
    expect(rows).toHaveLength(10);
    expect(rows[7]).toMatchObject({
      label: 'step-4',
      passed: 'false',
      implementation: 'flash',
      local: 'NaN',
      localLayer: '1',
      nonFinite: '64',
      deltaLoss: 'NaN',
      maxScore: '113',
    });
    expect(rows[6]).toMatchObject({
      implementation: 'eager',
      local: '',
      accumulated: '',
      deltaLoss: '0',
    });
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { heldAgainst, regressionChecks, savedRun, unfit } from '../../src/gate/index.js';
import type { Check, DiffReport, EffectRow, Row, SavedRun } from '../../src/types.js';
import { notANumber, sampleReport, sampleShard, withoutGuard } from '../report/sample.js';

/** Whether a row is what is edited in most tests: flash, layer 1, local, batch right, valid tokens. */
const isChosen = ({ implementation, layer, scope, batch, kind }: Row): boolean =>
  implementation === 'flash' &&
  layer === 1 &&
  scope === 'local' &&
  batch === 'right' &&
  kind === 'valid';
const PLACE = {
  implementation: 'flash',
  layer: 1,
  tap: 'attention',
  scope: 'local',
  batch: 'right',
};

function runWith(more: Partial<Row>, edit: Partial<DiffReport> = {}): SavedRun {
  return savedRun({
    ...sampleReport({ edit: (row) => (isChosen(row) ? { ...row, ...more } : row) }),
    ...edit,
  });
}

/** The checks that are missed, and what else is told, where one number of a run was `was` and is `is`. */
function held(
  was: Partial<Row>,
  is: Partial<Row>,
  factor = 1.5,
): { missed: Check[]; told: ReturnType<typeof regressionChecks>['told'] } {
  const { checks, told } = regressionChecks(
    { path: 'base.json', factor, run: runWith(was) },
    runWith(is),
  );
  return { missed: checks.filter(({ passed }) => !passed), told };
}

describe('a regression', () => {
  it('is none from the same run', () => {
    const { checks, told } = regressionChecks(
      { path: 'base.json', factor: 1, run: runWith({}) },
      runWith({}),
    );
    expect(
      checks.map(({ implementation, subject, passed }) => `${implementation} ${subject} ${passed}`),
    ).toEqual([
      'eager exact-rel-l2 true',
      'sdpa rel-l2 true',
      'sdpa max-abs true',
      'sdpa exact-rel-l2 true',
      'flash rel-l2 true',
      'flash max-abs true',
      'flash exact-rel-l2 true',
    ]);
    // Two batches of two layers: attention and hidden accumulated and the logits, three metrics each but of the reference, and attention's local ones.
    expect(told).toMatchObject({
      compared: 2 * (5 + 2 * 3 * 7),
      explained: { count: 0 },
      stillNonFinite: { count: 0 },
      missing: { count: 0 },
      added: { count: 0 },
    });
  });

  it('is a number beyond rounding that is more than so many times what it was', () => {
    expect(held({ relL2: 2e-4 }, { relL2: 3e-4 }).missed).toEqual([]);
    expect(held({ relL2: 2e-4 }, { relL2: 3.001e-4 }).missed).toEqual([
      {
        ...PLACE,
        name: 'regression',
        level: 'error',
        operator: '<=',
        expected: 1.5 * 2e-4,
        actual: 3.001e-4,
        kind: 'valid',
        subject: 'rel-l2',
        source: { kind: 'baseline', path: 'base.json', was: 2e-4, factor: 1.5 },
        passed: false,
      },
    ]);
  });

  it('is not what rounding explains, of which it is told', () => {
    expect(held({ relL2: 1e-9 }, { relL2: 1e-5 })).toMatchObject({
      missed: [],
      told: { explained: { count: 1, first: { ...PLACE, metric: 'rel-l2' } } },
    });
    expect(held({ relL2: 1e-9 }, { relL2: 1.001e-5 }).missed).toMatchObject([
      { expected: 1e-5, subject: 'rel-l2', source: { was: 1e-9 } },
    ]);
    expect(held({ relL2: 0 }, { relL2: 9e-6 })).toMatchObject({
      missed: [],
      told: { explained: { count: 1 } },
    });
  });

  it('is a single element that leaves the others far behind, though relative L2 does not show it', () => {
    // The baseline's own largest difference, at a relative L2 of 1e-5 in place of 1e-7: 100 times as large.
    expect(held({ relL2: 1e-7, maxAbs: 2e-7 }, { relL2: 1e-7, maxAbs: 2e-5 }).missed).toEqual([]);
    expect(
      held({ relL2: 1e-7, maxAbs: 2e-7 }, { relL2: 1e-7, maxAbs: 2.1e-5 }).missed,
    ).toMatchObject([{ subject: 'max-abs', expected: expect.closeTo(2e-5, 15) as number }]);
    expect(held({ relL2: 0, maxAbs: 0 }, { relL2: 1e-6, maxAbs: 0.5 }).missed).toEqual([]);
    expect(
      held({ relL2: 0, maxAbs: 0 }, { relL2: 2e-5, maxAbs: 0.5 }).missed.map(
        ({ subject }) => subject,
      ),
    ).toEqual(['rel-l2', 'max-abs']);
  });

  it('is any difference at all between two streams of one computation', () => {
    const same = (more: Partial<Row>): SavedRun => {
      const run = runWith({ relL2: 0, maxAbs: 0, ...more });
      return {
        ...run,
        implementations: run.implementations.map((info) => ({
          ...info,
          rounding: { local: 0, accumulated: 0 },
        })),
      };
    };
    const { checks } = regressionChecks(
      { path: 'base.json', factor: 2, run: same({}) },
      same({ maxAbs: 1e-12, relL2: 1e-12 }),
    );
    expect(checks.filter(({ passed }) => !passed)).toMatchObject([
      { subject: 'rel-l2', expected: 0 },
      { subject: 'max-abs', expected: 0 },
    ]);
  });

  it('is what rounding explains at a lower precision only', () => {
    const run = runWith({ relL2: 1e-7 });
    const low = {
      ...runWith({ relL2: 5e-3, maxAbs: 1e-3 }),
      implementations: run.implementations.map((info) => ({
        ...info,
        precision: 'bf16' as const,
        rounding: { local: 2 ** -6, accumulated: 2 ** -6 },
      })),
    };
    const missed = (was: SavedRun, is: SavedRun): Check[] =>
      regressionChecks({ path: 'base.json', factor: 2, run: was }, is).checks.filter(
        ({ passed }) => !passed,
      );
    expect(missed(run, low)).toMatchObject([
      { subject: 'rel-l2', expected: 1e-5, actual: 5e-3 },
      { subject: 'max-abs' },
    ]);
    expect(missed(low, run)).toEqual([]);
  });

  it('is the error against exact of the reference too', () => {
    const reference = (exactRelL2: number): SavedRun =>
      savedRun(
        sampleReport({
          edit: (row) =>
            row.implementation === 'eager' && row.tap === 'logits' ? { ...row, exactRelL2 } : row,
        }),
      );
    const { checks } = regressionChecks(
      { path: 'base.json', factor: 1.5, run: reference(2e-5) },
      reference(3.1e-5),
    );
    expect(checks.filter(({ passed }) => !passed)).toMatchObject([
      {
        implementation: 'eager',
        subject: 'exact-rel-l2',
        layer: null,
        tap: 'logits',
        actual: 3.1e-5,
      },
    ]);
  });

  it('with a factor below 1 is a number that has not become so much smaller', () => {
    expect(held({ relL2: 1e-3, maxAbs: 1e-3 }, { relL2: 5e-4, maxAbs: 4e-4 }, 0.5).missed).toEqual(
      [],
    );
    expect(
      held({ relL2: 1e-3, maxAbs: 1e-3 }, { relL2: 1e-3, maxAbs: 4e-4 }, 0.5).missed,
    ).toMatchObject([{ expected: 5e-4, actual: 1e-3, subject: 'rel-l2' }]);
  });

  it('shows the worst place of each implementation and metric: that which exceeds its own limit by most', () => {
    const was = savedRun(
      sampleReport({ edit: (row) => ({ ...row, relL2: row.layer === 0 ? 1e-2 : 1e-4 }) }),
    );
    const is = savedRun(
      sampleReport({ edit: (row) => ({ ...row, relL2: row.layer === 0 ? 4e-2 : 1e-3 }) }),
    );
    const { checks } = regressionChecks({ path: 'base.json', factor: 1.5, run: was }, is);
    const found = checks.filter(({ subject, passed }) => subject === 'rel-l2' && !passed);
    expect(
      found.map(({ implementation, layer, actual }) => [implementation, layer, actual]),
    ).toEqual([
      ['sdpa', 1, 1e-3],
      ['flash', 1, 1e-3],
    ]);
  });

  it.each([NaN, Infinity])('is %s where the number was finite, and the worst of all', (bad) => {
    expect(held({ relL2: 1e-9 }, { relL2: bad }).missed).toMatchObject([
      { ...PLACE, actual: bad, subject: 'rel-l2' },
    ]);
  });

  const fewer = (compared: number, asked: number): object => ({
    name: 'regression',
    subject: 'compared',
    operator: '==',
    actual: compared,
    expected: asked,
    level: 'error',
    passed: false,
    layer: null,
    batch: null,
  });
  const ALL = 2 * (5 + 2 * 3 * 7);

  it('is a place where the baseline is NaN, with which nothing can be compared', () => {
    const nan = (row: Row): Row => (isChosen(row) ? notANumber(row) : row);
    const [broken, whole] = [savedRun(sampleReport({ edit: nan })), runWith({})];
    const both = regressionChecks({ path: 'base.json', factor: 1.5, run: broken }, broken);
    expect(both.checks.filter(({ passed }) => !passed)).toEqual([
      expect.objectContaining(fewer(ALL - 3, ALL)),
    ]);
    expect(both.told).toMatchObject({
      compared: ALL - 3,
      stillNonFinite: { count: 3, first: PLACE },
      nowFinite: { count: 0 },
    });
    const mended = regressionChecks({ path: 'base.json', factor: 1.5, run: broken }, whole);
    expect(mended.checks.filter(({ passed }) => !passed)).toEqual([
      expect.objectContaining(fewer(ALL - 3, ALL)),
    ]);
    expect(mended.told).toMatchObject({
      stillNonFinite: { count: 0 },
      nowFinite: { count: 3, first: PLACE },
    });
  });

  it('is no such place where NaN and Inf are let pass', () => {
    const nan = (row: Row): Row => (isChosen(row) ? notANumber(row) : row);
    const broken = savedRun(sampleReport({ edit: nan }));
    expect(
      regressionChecks({ path: 'base.json', factor: 1.5, run: broken }, broken, {
        nonFinitePasses: true,
      }).checks.every(({ passed }) => passed),
    ).toBe(true);
    const report = (failOn: 'nan' | 'none'): DiffReport =>
      sampleReport({
        edit: (row) => (isChosen(row) ? { ...row, exactRelL2: NaN } : row),
        gate: { failOn },
      });
    const passes = (failOn: 'nan' | 'none'): boolean =>
      heldAgainst(report(failOn), {
        path: 'base.json',
        factor: 1.5,
        allow: [],
        run: savedRun(report(failOn)),
      }).verdict.passed;
    expect([passes('nan'), passes('none')]).toEqual([false, true]);
  });

  it('is what only one of the two has of a batch and an implementation that both have', () => {
    const whole = runWith({});
    const part = { ...whole, rows: whole.rows.filter(({ layer }) => layer !== 1) };
    const lost = 2 * (2 + 2 * 3 * 3);
    const checks = (was: SavedRun, is: SavedRun): Check[] =>
      regressionChecks({ path: 'base.json', factor: 1.5, run: was }, is).checks.filter(
        ({ passed }) => !passed,
      );
    expect(checks(whole, part)).toEqual([expect.objectContaining(fewer(ALL - lost, ALL))]);
    expect(checks(part, whole)).toEqual([expect.objectContaining(fewer(ALL - lost, ALL))]);
    expect(checks({ ...whole, rows: whole.rows.slice(0, 1) }, whole)).toEqual([
      expect.objectContaining(fewer(1, ALL)),
    ]);
    expect(
      regressionChecks({ path: 'base.json', factor: 1.5, run: whole }, part).told,
    ).toMatchObject({ missing: { count: lost, first: { layer: 1 } }, added: { count: 0 } });
    expect(
      regressionChecks({ path: 'base.json', factor: 1.5, run: part }, whole).told,
    ).toMatchObject({ missing: { count: 0 }, added: { count: lost } });
  });

  it('is not what only one of the two was asked for, which is told', () => {
    const whole = runWith({});
    const without = (name: string): SavedRun => ({
      ...whole,
      implementations: whole.implementations.filter((each) => each.name !== name),
      batches: whole.batches.slice(0, 1),
      rows: whole.rows.filter((row) => row.implementation !== name && row.batch === 'left'),
    });
    const { checks, told } = regressionChecks(
      { path: 'base.json', factor: 1.5, run: whole },
      without('flash'),
    );
    expect(checks.every(({ passed }) => passed)).toBe(true);
    expect(told).toMatchObject({ compared: 5 + 3 * 7, missing: { count: ALL - 5 - 3 * 7 } });
  });

  it('compares nothing as a failure', () => {
    const whole = runWith({});
    for (const nothing of [
      { ...whole, rows: [] },
      {
        ...whole,
        rows: whole.rows.map((row) => ({ ...row, maxAbs: NaN, relL2: NaN, exactRelL2: NaN })),
      },
    ]) {
      const { checks, told } = regressionChecks(
        { path: 'base.json', factor: 1.5, run: nothing },
        nothing,
      );
      expect(checks).toMatchObject([
        { name: 'regression', actual: NaN, subject: null, passed: false, layer: null, batch: null },
      ]);
      expect(told.compared).toBe(0);
    }
  });

  it('looks at valid tokens only', () => {
    const padded = (edit: (row: Row) => Row): SavedRun =>
      savedRun(sampleReport({ edit: (row) => (row.kind === 'valid' ? row : edit(row)) }));
    expect(
      regressionChecks(
        { path: 'base.json', factor: 1, run: padded((row) => row) },
        padded(notANumber),
      ).checks.every(({ passed }) => passed),
    ).toBe(true);
  });

  it('comes of no factor below the growth, and of none above it', () => {
    const beyond = fc.double({ min: 1e-4, max: 1e3, noNaN: true });
    fc.assert(
      fc.property(
        beyond,
        fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
        fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
        (was, growth, factor) => {
          fc.pre(was * growth > 1e-4 && Math.abs(growth / factor - 1) > 1e-9);
          expect(
            held({ relL2: was }, { relL2: was * growth }, factor).missed.some(
              ({ subject }) => subject === 'rel-l2',
            ),
          ).toBe(growth > factor);
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe('a regression of the output', () => {
  const TARGETS = 100;
  const REFERENCE = {
    batch: 'left',
    implementation: 'eager',
    targets: TARGETS,
    loss: 2,
    perplexity: Math.exp(2),
    kl: 0,
    flips: 0,
  };

  /** A run whose logits are off by this relative L2, with what becomes of the predictions. */
  function predicted(relL2: number, effect: Partial<EffectRow>, targets = TARGETS): SavedRun {
    const report = sampleReport({
      edit: (row) =>
        row.implementation === 'sdpa' &&
        row.tap === 'logits' &&
        row.batch === 'left' &&
        row.kind === 'valid'
          ? { ...row, relL2 }
          : row,
    });
    const sdpa = { ...REFERENCE, implementation: 'sdpa', targets, ...effect };
    return savedRun({ ...report, effects: [{ ...REFERENCE, targets }, sdpa] });
  }

  function missed(was: SavedRun, is: SavedRun): (string | null)[] {
    return regressionChecks({ path: 'base.json', factor: 1.5, run: was }, is)
      .checks.filter(({ passed, subject }) => !passed && subject !== 'rel-l2')
      .map(({ subject }) => subject);
  }

  it('is KL, |Δ loss| and flips that have grown where rounding does not explain the logits', () => {
    const was = predicted(1e-2, { kl: 1e-3, loss: 2.2, flips: 10 });
    expect(missed(was, predicted(1.2e-2, { kl: 1.5e-3, loss: 2.3, flips: 15 }))).toEqual([]);
    expect(missed(was, predicted(1.2e-2, { kl: 1.6e-3 }))).toEqual(['kl']);
    expect(missed(was, predicted(1.2e-2, { loss: 2.32 }))).toEqual(['loss']);
    expect(missed(was, predicted(1.2e-2, { loss: 1.68 }))).toEqual(['loss']);
    expect(missed(was, predicted(1.2e-2, { flips: 16 }))).toEqual(['flips']);
  });

  it('is nothing where rounding explains the logits', () => {
    expect(
      missed(predicted(1e-7, { kl: 1e-16 }), predicted(9e-6, { kl: 1e-3, loss: 3, flips: 50 })),
    ).toEqual([]);
  });

  it('is no loss that a mean over so few targets has by chance: KL + 3 √(2 KL / targets)', () => {
    // 0.02 + 3 √(0.04 / 100) = 0.08
    const was = predicted(1e-2, { kl: 0.02, loss: 2 });
    expect(missed(was, predicted(1e-2, { kl: 0.02, loss: 2.0799 }))).toEqual([]);
    expect(missed(was, predicted(1e-2, { kl: 0.02, loss: 2.0801 }))).toEqual(['loss']);
  });

  it('is no KL that float64 leaves of equal distributions', () => {
    expect(missed(predicted(1e-2, { kl: -1e-16 }), predicted(1e-2, { kl: 1e-14 }))).toEqual([]);
    expect(missed(predicted(1e-2, { kl: -1e-16 }), predicted(1e-2, { kl: 2e-14 }))).toEqual(['kl']);
  });

  it('is not one more prediction that flips, but two', () => {
    expect(missed(predicted(1e-2, {}), predicted(1e-2, { flips: 1 }))).toEqual([]);
    expect(missed(predicted(1e-2, {}), predicted(1e-2, { flips: 2 }))).toEqual(['flips']);
  });

  it('is NaN, but not the absence of anything to predict', () => {
    expect(
      missed(predicted(1e-2, {}), predicted(1e-2, { kl: NaN, loss: NaN, flips: 100 })),
    ).toEqual(['loss', 'kl', 'flips']);
    expect(missed(predicted(1e-2, {}), predicted(1e-7, { loss: NaN }))).toEqual(['loss']);
    expect(missed(predicted(1e-2, {}), predicted(1e-7, { loss: Infinity }))).toEqual(['loss']);
    const { told } = regressionChecks(
      { path: 'base.json', factor: 1.5, run: predicted(1e-2, { loss: NaN, kl: NaN }, 0) },
      predicted(1e-2, { loss: NaN, kl: NaN }, 0),
    );
    expect(told.stillNonFinite.count).toBe(0);
  });
});

describe('a report held against a baseline', () => {
  const report = sampleReport();
  const baseline = { path: 'base.json', factor: 1.5, allow: [], run: savedRun(report) };

  it('has the checks behind its own, and what else is told', () => {
    const { verdict, baseline: told } = heldAgainst(report, baseline);
    expect(verdict.passed).toBe(true);
    expect(verdict.checks.slice(0, report.verdict.checks.length)).toEqual(report.verdict.checks);
    expect(
      verdict.checks.slice(report.verdict.checks.length).every(({ name }) => name === 'regression'),
    ).toBe(true);
    expect(told).toMatchObject({ path: 'base.json', factor: 1.5, allowed: [], compared: 94 });
  });

  it('fails by what has regressed, and passes no run that fails by itself', () => {
    const broken = sampleReport({ edit: withoutGuard });
    expect(
      heldAgainst(broken, baseline).verdict.checks.some(
        ({ name, passed }) => name === 'regression' && !passed,
      ),
    ).toBe(true);
    expect(heldAgainst(broken, { ...baseline, run: savedRun(broken) }).verdict).toMatchObject({
      passed: false,
    });
    const allowed = sampleReport({ edit: withoutGuard, gate: { failOn: 'none' } });
    expect(allowed.verdict.passed).toBe(true);
    expect(heldAgainst(allowed, baseline).verdict.passed).toBe(false);
  });

  it('of another measurement is refused', () => {
    expect(() => heldAgainst({ ...report, reference: 'sdpa' }, baseline)).toThrow(
      /baseline-mismatch/,
    );
  });
});

describe('what is fit to be a baseline', () => {
  it('is a whole run that compared something, whether its gate passed or not', () => {
    expect(unfit(sampleReport())).toBeNull();
    expect(unfit(sampleReport({ edit: withoutGuard }))).toBeNull();
    expect(unfit({ ...sampleReport(), shard: sampleShard(2) })).toEqual({
      why: 'shard',
      index: 2,
      count: 3,
    });
  });

  it('is not one that compared nothing, or whose implementations failed', () => {
    const report = sampleReport();
    expect(unfit(sampleReport({ edit: (row) => ({ ...row, tokens: 0 }) }))).toEqual({
      why: 'nothing-compared',
    });
    const failure = {
      kind: 'crashed',
      problem: 'SIGSEGV',
      stage: 'batch left',
      batch: 'left',
    } as const;
    expect(
      unfit({
        ...report,
        implementations: report.implementations.map((info) =>
          info.name === 'flash' ? { ...info, failure } : info,
        ),
      }),
    ).toEqual({ why: 'failed', implementations: ['flash'] });
  });
});

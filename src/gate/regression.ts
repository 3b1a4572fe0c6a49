import { comparePlaces } from '../metrics/index.js';
import type { BaselineComparison, Check, HeldBaseline, SavedRun, Tally } from '../types.js';
import {
  largestAllowed,
  REGRESSION_METRICS,
  savedNumbers,
  type SavedNumber,
} from './savedNumbers.js';

/** A number held against what it was. */
interface Held {
  was: number;
  is: SavedNumber;
  limit: number;
}

/** What came of holding a run against another: a check for each implementation and metric, and what no check tells. */
export interface Regression {
  checks: Check[];
  told: Omit<BaselineComparison, 'allowed'>;
}

/**
 * Holds the numbers of a run against those of an earlier one, place by place: see {@link largestAllowed} for what passes.
 * Of each implementation and metric the worst makes a check `regression`: that which exceeds its limit by most, NaN
 * being the worst of all.
 *
 * A number that was finite and is not has regressed. Of one that was not finite nothing can be said: NaN is equal to
 * nothing, and no number is near to it. It is told, as is what only one of the two has. Where fewer numbers were
 * compared than the batches and implementations have that are in both, one more check `regression` (subject
 * `compared`) fails with how many were, of how many. Where nothing at all is compared, the one check fails with NaN.
 *
 * @param nonFinitePasses whether NaN and Inf fail no run, and so are not missed here
 */
export function regressionChecks(
  { path, factor, run: earlier }: Omit<HeldBaseline, 'allow'>,
  run: SavedRun,
  { nonFinitePasses = false }: { nonFinitePasses?: boolean } = {},
): Regression {
  const [then, now] = [savedNumbers(earlier), savedNumbers(run)];
  const held: Held[] = [];
  const [explained, stillNonFinite, nowFinite, added]: SavedNumber[][] = [[], [], [], []];
  for (const [key, is] of now) {
    const was = then.get(key);
    if (!was) added!.push(is);
    else if (!Number.isFinite(was.value))
      (Number.isFinite(is.value) ? nowFinite! : stillNonFinite!).push(is);
    else {
      const limit = largestAllowed(was, is, factor);
      held.push({ was: was.value, is, limit });
      if (is.value > factor * was.value && is.value <= limit) explained!.push(is);
    }
  }
  const missing = [...then].flatMap(([key, was]) => (now.has(key) ? [] : [was]));
  const inBoth = bothHave(earlier, run);
  const lost =
    [...missing, ...added!].filter(inBoth).length +
    (nonFinitePasses ? 0 : stillNonFinite!.length + nowFinite!.length);
  const base = { name: 'regression', level: 'error', operator: '<=' } as const;
  const checks = run.implementations.flatMap(({ name: implementation }) =>
    REGRESSION_METRICS.flatMap((metric): Check[] => {
      const own = held.filter(
        ({ is }) => is.implementation === implementation && is.metric === metric,
      );
      const [first, ...others] = own.toSorted((a, b) =>
        comparePlaces(placeOf(a.is), placeOf(b.is)),
      );
      if (!first) return [];
      const { was, is, limit } = others.reduce(
        (worst, each) => (excess(each) > excess(worst) ? each : worst),
        first,
      );
      const { layer, tap, scope, batch, value } = is;
      return [
        {
          ...base,
          expected: limit,
          actual: value,
          layer,
          implementation,
          tap,
          scope,
          batch,
          kind: 'valid',
          subject: metric,
          source: { kind: 'baseline', path, was, factor },
          passed: value <= limit,
        },
      ];
    }),
  );
  const nowhere = {
    layer: null,
    implementation: run.reference,
    tap: null,
    scope: null,
    batch: null,
    kind: null,
    source: { kind: 'baseline', path, was: NaN, factor },
    passed: false,
  } as const;
  const nothing: Check = { ...base, ...nowhere, expected: factor, actual: NaN, subject: null };
  const fewer: Check = {
    ...base,
    ...nowhere,
    operator: '==',
    expected: held.length + lost,
    actual: held.length,
    subject: 'compared',
  };
  return {
    checks: held.length === 0 ? [nothing] : lost > 0 ? [...checks, fewer] : checks,
    told: {
      path,
      factor,
      compared: held.length,
      explained: tally(explained!),
      stillNonFinite: tally(stillNonFinite!),
      nowFinite: tally(nowFinite!),
      missing: tally(missing),
      added: tally(added!),
    },
  };
}

/** Whether a number is of a batch and an implementation that two runs both have: of what they were asked to be compared in. */
function bothHave(one: SavedRun, other: SavedRun): (number: SavedNumber) => boolean {
  const common = (read: (run: SavedRun) => readonly { name: string }[]): Set<string> => {
    const names = new Set(read(other).map(({ name }) => name));
    return new Set(
      read(one)
        .map(({ name }) => name)
        .filter((name) => names.has(name)),
    );
  };
  const [batches, implementations] = [
    common((run) => run.batches),
    common((run) => run.implementations),
  ];
  return ({ batch, implementation }) =>
    batch !== null && batches.has(batch) && implementations.has(implementation);
}

/** How many times its limit a number is; NaN and Infinity exceed every finite limit infinitely. */
function excess({ is: { value }, limit }: Held): number {
  if (!Number.isFinite(value)) return Infinity;
  return value === 0 ? 0 : value / limit;
}

/** Every number that may regress is of a tap. */
function placeOf({ layer, tap }: SavedNumber): {
  layer: number | null;
  tap: NonNullable<SavedNumber['tap']>;
} {
  return { layer, tap: tap ?? 'logits' };
}

function tally(numbers: readonly SavedNumber[]): Tally {
  const [found] = numbers;
  if (!found) return { count: 0, first: null };
  const { metric, layer, implementation, tap, scope, batch } = found;
  return { count: numbers.length, first: { metric, layer, implementation, tap, scope, batch } };
}

import { compareRows } from '../metrics/index.js';
import type { Budget, BudgetName, Check, EffectBudgetName, EffectRow, Row } from '../types.js';
import {
  matchesEffect,
  matchesRow,
  unmatchedEntries,
  type BudgetPlace,
  type UnmatchedEntry,
} from './budgetMatch.js';

/** What a budget's number is, and on which side of its limit it must stay. */
interface Measure<T> {
  operator: '<=' | '>=';
  value: (row: T) => number;
  /** Whether the reference has it too: it differs from itself nowhere, but it has an error against exact. */
  ofReference?: boolean;
}

const MEASURES: Readonly<Record<BudgetName, Measure<Row>>> = {
  'max-abs': { operator: '<=', value: ({ maxAbs }) => maxAbs },
  'min-cosine': { operator: '>=', value: ({ minCosine }) => minCosine },
  'max-ratio': { operator: '<=', value: ({ ratioPlain }) => ratioPlain, ofReference: true },
  'mean-l2': { operator: '<=', value: ({ meanL2 }) => meanL2 },
  'rel-l2': { operator: '<=', value: ({ relL2 }) => relL2 },
  'mean-cosine': { operator: '>=', value: ({ meanCosine }) => meanCosine },
  bias: { operator: '<=', value: ({ bias }) => Math.abs(bias) },
  'exact-abs': { operator: '<=', value: ({ exactMaxAbs }) => exactMaxAbs, ofReference: true },
  'exact-rel-l2': { operator: '<=', value: ({ exactRelL2 }) => exactRelL2, ofReference: true },
  'ratio-fp32': { operator: '<=', value: ({ ratioFp32 }) => ratioFp32, ofReference: true },
};

/** `loss`: |Δ loss| against the reference, nats; `kl`: nats; `flips`: share of the targets. */
const EFFECT_MEASURES: Readonly<
  Record<EffectBudgetName, Measure<EffectRow & { referenceLoss: number }>>
> = {
  loss: { operator: '<=', value: ({ loss, referenceLoss }) => Math.abs(loss - referenceLoss) },
  kl: { operator: '<=', value: ({ kl }) => kl },
  flips: { operator: '<=', value: ({ flips, targets }) => flips / targets },
};

interface Judged {
  rows: readonly Row[];
  effects: readonly EffectRow[];
  reference: string;
}

/**
 * Holds every number against the last budget that matches it, so that a later budget replaces an earlier one where both
 * do. One check comes of each budget and implementation: its worst number, NaN being the worst of all and failing
 * whatever the limit.
 *
 * A budget measures all that it asks for: an implementation on which it finds nothing, and an entry of its lists that
 * matches nothing (its key and entry are the `subject`), is a check of the budget's level that fails with NaN. Left out
 * are budgets of level `off`, those that later ones replace everywhere, and of attn-diff's own budgets the numbers that
 * are NaN, which `non-finite` is about.
 *
 * @param budgets the earliest first
 * @param isPart leaves out what budgets find nothing to measure of: there are other rows elsewhere
 */
export function budgetChecks(
  { rows, effects, reference }: Judged,
  budgets: readonly Budget[],
  isPart: boolean,
): Check[] {
  const sorted = rows.toSorted(compareRows);
  const referenceLoss = new Map(
    effects
      .filter(({ implementation }) => implementation === reference)
      .map(({ batch, loss }) => [batch, loss]),
  );
  const predicted = effects
    .filter(({ targets }) => targets > 0)
    .map((row) => ({ ...row, referenceLoss: referenceLoss.get(row.batch) ?? NaN }));
  const present = new Set(rows.map(({ implementation }) => implementation));
  return budgets.flatMap((budget, index) => {
    const later = budgets.slice(index + 1).filter(({ metric }) => metric === budget.metric);
    return isEffect(budget.metric)
      ? checksOf(budget, later, predicted, {
          measure: EFFECT_MEASURES[budget.metric],
          matches: matchesEffect,
          place: effectPlace,
          reference,
          present,
          isPart,
        })
      : checksOf(budget, later, sorted, {
          measure: MEASURES[budget.metric],
          matches: matchesRow,
          place: rowPlace,
          reference,
          present,
          isPart,
        });
  });
}

interface Kind<T> {
  measure: Measure<T>;
  matches: (budget: Budget, row: T) => boolean;
  place: (row: T) => Pick<Check, 'layer' | 'tap' | 'scope' | 'batch' | 'kind'>;
  reference: string;
  present: ReadonlySet<string>;
  isPart: boolean;
}

const NOWHERE = { layer: null, tap: null, scope: null, batch: null, kind: null } as const;

function checksOf<T extends { implementation: string }>(
  budget: Budget,
  later: readonly Budget[],
  rows: readonly T[],
  { measure, matches, place, reference, present, isPart }: Kind<T>,
): Check[] {
  const { level, metric, limit, source } = budget;
  if (level === 'off') return [];
  const measured = rows.filter((row) => measure.ofReference || row.implementation !== reference);
  const matched = measured.filter((row) => matches(budget, row));
  // What attn-diff brings is about how far numbers are apart; that one is NaN is another check's, and may be allowed.
  const isOwn = source.kind === 'default';
  const base = {
    name: metric,
    level,
    operator: measure.operator,
    expected: limit,
    source,
  } as const;
  const own = matched.filter(
    (row) =>
      !later.some((other) => matches(other, row)) && !(isOwn && Number.isNaN(measure.value(row))),
  );
  const checks = [...new Set(own.map(({ implementation }) => implementation))].map(
    (implementation): Check => {
      const row = worst(
        own.filter((each) => each.implementation === implementation),
        measure,
      );
      const actual = measure.value(row);
      return {
        ...base,
        subject: null,
        implementation,
        actual,
        ...place(row),
        passed: measure.operator === '<=' ? actual <= limit : actual >= limit,
      };
    },
  );
  if (isOwn || isPart) return checks;
  const unmeasured = (implementation: string, subject: string | null): Check => ({
    ...base,
    ...NOWHERE,
    subject,
    implementation,
    actual: NaN,
    passed: false,
  });
  const entries = unmatchedEntries(budget, measured, matches);
  if (entries.length > 0)
    return [
      ...checks,
      ...entries.map(({ key, entry }) =>
        unmeasured(key === 'implementation' ? entry : reference, `${key} ${entry}`),
      ),
    ];
  const asked = budget.implementations ?? [...present].filter((name) => name !== reference);
  return [
    ...checks,
    ...asked
      .filter((name) => !matched.some(({ implementation }) => implementation === name))
      .map((name) => unmeasured(name, null)),
  ];
}

/**
 * The entries of a budget's lists that match nothing of what a run is going to measure; none of a budget that is off.
 *
 * @param places of every row that the run will have
 */
export function idleEntries(
  budget: Budget,
  places: readonly BudgetPlace[],
  reference: string,
): UnmatchedEntry[] {
  if (budget.level === 'off') return [];
  const ofReference = isEffect(budget.metric)
    ? false
    : (MEASURES[budget.metric].ofReference ?? false);
  const measured = places.filter(
    ({ implementation }) => ofReference || implementation !== reference,
  );
  return isEffect(budget.metric)
    ? unmatchedEntries(budget, measured, matchesEffect)
    : unmatchedEntries(budget, measured, matchesRow);
}

/** The first of the worst value; the first NaN where there is one. */
function worst<T>(rows: readonly T[], { operator, value }: Measure<T>): T {
  const broken = rows.find((row) => Number.isNaN(value(row)));
  if (broken !== undefined) return broken;
  return rows.reduce((least, row) =>
    (operator === '<=' ? value(row) > value(least) : value(row) < value(least)) ? row : least,
  );
}

function isEffect(metric: Budget['metric']): metric is EffectBudgetName {
  return metric in EFFECT_MEASURES;
}

function rowPlace({
  layer,
  tap,
  scope,
  batch,
  kind,
}: Row): Pick<Check, 'layer' | 'tap' | 'scope' | 'batch' | 'kind'> {
  return { layer, tap, scope, batch, kind };
}

function effectPlace({
  batch,
}: EffectRow): Pick<Check, 'layer' | 'tap' | 'scope' | 'batch' | 'kind'> {
  return { layer: null, tap: 'logits', scope: 'accumulated', batch, kind: 'valid' };
}

import { compareRows } from '../metrics/index.js';
import type { Budget, BudgetName, Check, EffectBudgetName, EffectRow, Row } from '../types.js';

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
const EFFECT_MEASURES: Readonly<Record<EffectBudgetName, Measure<EffectRow & { referenceLoss: number }>>> = {
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
 * A budget that finds nothing to measure fails with NaN: comparing nothing is no pass. For an implementation that it
 * names and that did not take part, or that is the reference and so differs from nothing, that is a warning. Left out
 * are budgets of level `off`, those that later ones replace everywhere, and of attn-diff's own budgets the numbers that
 * are NaN, which `non-finite` is about.
 *
 * @param budgets the earliest first
 * @param isPart leaves out the budgets that find nothing to measure: there are other rows elsewhere
 */
export function budgetChecks({ rows, effects, reference }: Judged, budgets: readonly Budget[], isPart: boolean): Check[] {
  const sorted = rows.toSorted(compareRows);
  const referenceLoss = new Map(effects.filter(({ implementation }) => implementation === reference).map(({ batch, loss }) => [batch, loss]));
  const predicted = effects.filter(({ targets }) => targets > 0).map((row) => ({ ...row, referenceLoss: referenceLoss.get(row.batch) ?? NaN }));
  const present = new Set(rows.map(({ implementation }) => implementation));
  return budgets.flatMap((budget, index) => {
    const later = budgets.slice(index + 1).filter(({ metric }) => metric === budget.metric);
    return isEffect(budget.metric)
      ? checksOf(budget, later, predicted, { measure: EFFECT_MEASURES[budget.metric], matches: matchesEffect, place: effectPlace, reference, present, isPart })
      : checksOf(budget, later, sorted, { measure: MEASURES[budget.metric], matches: matchesRow, place: rowPlace, reference, present, isPart });
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

function checksOf<T extends { implementation: string }>(budget: Budget, later: readonly Budget[], rows: readonly T[], { measure, matches, place, reference, present, isPart }: Kind<T>): Check[] {
  const matched = rows.filter((row) => (measure.ofReference || row.implementation !== reference) && matches(budget, row));
  // What attn-diff brings is about how far numbers are apart; that one is NaN is another check's, and may be allowed.
  const isOwn = budget.source.kind === 'default';
  const base = { name: budget.metric, operator: measure.operator, expected: budget.limit, subject: null, source: budget.source } as const;
  if (budget.level === 'off') return [];
  const { level } = budget;
  const isThere = (name: string): boolean => present.has(name) && (measure.ofReference || name !== reference);
  const unmeasured = (names: readonly string[], counts: 'warn' | 'error'): Check[] => (isOwn || isPart ? [] : names.map((implementation) => ({ ...base, level: counts, implementation, actual: NaN, layer: null, tap: null, scope: null, batch: null, kind: null, passed: false })));
  const absent = unmeasured((budget.implementations ?? []).filter((name) => !isThere(name)), 'warn');
  if (matched.length === 0) return [...unmeasured((budget.implementations ?? [...present]).filter(isThere), level), ...absent];
  const own = matched.filter((row) => !later.some((other) => matches(other, row)) && !(isOwn && Number.isNaN(measure.value(row))));
  const checks = [...new Set(own.map(({ implementation }) => implementation))].map((implementation): Check => {
    const row = worst(own.filter((each) => each.implementation === implementation), measure);
    const actual = measure.value(row);
    return { ...base, level, implementation, actual, ...place(row), passed: measure.operator === '<=' ? actual <= budget.limit : actual >= budget.limit };
  });
  return [...checks, ...absent];
}

/** The first of the worst value; the first NaN where there is one. */
function worst<T>(rows: readonly T[], { operator, value }: Measure<T>): T {
  const broken = rows.find((row) => Number.isNaN(value(row)));
  if (broken !== undefined) return broken;
  return rows.reduce((least, row) => ((operator === '<=' ? value(row) > value(least) : value(row) < value(least)) ? row : least));
}

function isEffect(metric: Budget['metric']): metric is EffectBudgetName {
  return metric in EFFECT_MEASURES;
}

function selects<T>(list: readonly T[] | null, item: T): boolean {
  return list === null || list.includes(item);
}

function matchesRow({ taps, scopes, layers, implementations, batches, kinds }: Budget, row: Row): boolean {
  const { layer } = row;
  const inLayers = layers === null || (layer !== null && layers.some(([first, last]) => layer >= first && layer <= last));
  return inLayers && selects(taps, row.tap) && selects(scopes, row.scope) && selects(implementations, row.implementation) && selects(batches, row.batch) && kinds.includes(row.kind);
}

function matchesEffect({ implementations, batches }: Budget, row: EffectRow): boolean {
  return selects(implementations, row.implementation) && selects(batches, row.batch);
}

function rowPlace({ layer, tap, scope, batch, kind }: Row): Pick<Check, 'layer' | 'tap' | 'scope' | 'batch' | 'kind'> {
  return { layer, tap, scope, batch, kind };
}

function effectPlace({ batch }: EffectRow): Pick<Check, 'layer' | 'tap' | 'scope' | 'batch' | 'kind'> {
  return { layer: null, tap: 'logits', scope: 'accumulated', batch, kind: 'valid' };
}

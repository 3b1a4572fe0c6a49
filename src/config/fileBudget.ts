import type { AttnDiffError } from '../errors.js';
import { EFFECT_BUDGET_NAMES, IMPLEMENTATIONS, type Budget, type CheckSource } from '../types.js';
import type { FileBudget } from './fileSchema.js';

/** Makes the error for what is wrong at a key. */
type Refused = (key: readonly PropertyKey[], problem: string) => AttnDiffError;

/**
 * Budgets as a user writes them, as the gate takes them.
 *
 * @param refused makes the error for what is wrong at a key, such as `budgets[2].max`
 * @param sourceOf says of a limit, by its key, where it is set
 * @throws AttnDiffError what `refused` makes: no limit, or the wrong one; a place that the metric does not have; a range that is none; an unknown implementation
 */
export function budgetsOf(
  budgets: readonly FileBudget[],
  refused: Refused,
  sourceOf: (key: readonly PropertyKey[]) => CheckSource,
): Budget[] {
  return budgets.map((budget, index) =>
    budgetOf(
      budget,
      (key, problem) => refused(['budgets', index, key], problem),
      (key) => sourceOf(['budgets', index, key]),
    ),
  );
}

function budgetOf(
  budget: FileBudget,
  refused: (key: string, problem: string) => AttnDiffError,
  sourceOf: (key: string) => CheckSource,
): Budget {
  const { metric, level = 'error', max, min } = budget;
  const [right, wrong] = metric.endsWith('cosine')
    ? (['min', 'max'] as const)
    : (['max', 'min'] as const);
  if (budget[wrong] !== undefined)
    throw refused(wrong, `${metric} is limited by ${right}, not by ${wrong}`);
  const limit = right === 'max' ? max : min;
  if (limit === undefined && level !== 'off')
    throw refused(right, `it is missing: ${metric} needs ${right}, or level off`);
  const idle = OF_ROWS.find((key) => budget[key] !== undefined);
  if (idle !== undefined && EFFECT_BUDGET_NAMES.some((name) => name === metric))
    throw refused(idle, `${metric} is of a whole batch and has no ${idle}`);
  const implementations = listOf(budget.implementation);
  const unknown = implementations?.find(
    (label) => !IMPLEMENTATIONS.some((name) => name === /^[^@:#]*/.exec(label)?.[0]),
  );
  if (unknown !== undefined)
    throw refused('implementation', `${unknown}: there is no such implementation`);
  return {
    metric,
    limit: limit ?? NaN,
    level,
    taps: listOf(budget.tap),
    scopes: listOf(budget.scope),
    layers: listOf(budget.layers)?.map((range) => rangeOf(range, refused)) ?? null,
    implementations,
    batches: listOf(budget.batch)?.map(String) ?? null,
    kinds: listOf(budget.kind) ?? ['valid'],
    source: sourceOf(right),
  };
}

/** What tells rows apart, and batches as a whole do not have. */
const OF_ROWS = ['tap', 'scope', 'layers', 'kind'] as const;

function listOf<T>(value: T | T[] | undefined): T[] | null {
  return value === undefined ? null : ([value].flat() as T[]);
}

function rangeOf(
  range: number | string,
  refused: (key: string, problem: string) => AttnDiffError,
): readonly [number, number] {
  const [first = NaN, last = first] = String(range).split('-').map(Number);
  if (last < first) throw refused('layers', `${range} ends before it begins`);
  return [first, last];
}

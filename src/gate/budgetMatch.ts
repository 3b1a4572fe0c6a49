import type { Budget, EffectRow, Row } from '../types.js';

/** What a budget selects rows by. */
export type BudgetPlace = Pick<
  Row,
  'batch' | 'layer' | 'tap' | 'scope' | 'implementation' | 'kind'
>;

/** The lists of a budget, by the keys that a user writes. */
const LISTS = {
  implementation: 'implementations',
  batch: 'batches',
  layers: 'layers',
  tap: 'taps',
  scope: 'scopes',
  kind: 'kinds',
} as const satisfies Record<string, keyof Budget>;
export type BudgetKey = keyof typeof LISTS;

/** An entry of a list of a budget that selects nothing. */
export interface UnmatchedEntry {
  key: BudgetKey;
  /** As a user writes it: `right`, `90-99`. */
  entry: string;
  /** Whether the entry is found nowhere; else it is nowhere together with what else the budget names. */
  isUnknown: boolean;
}

export function matchesRow(
  { taps, scopes, layers, implementations, batches, kinds }: Budget,
  row: BudgetPlace,
): boolean {
  const { layer } = row;
  const inLayers =
    layers === null ||
    (layer !== null && layers.some(([first, last]) => layer >= first && layer <= last));
  return (
    inLayers &&
    selects(taps, row.tap) &&
    selects(scopes, row.scope) &&
    selects(implementations, row.implementation) &&
    selects(batches, row.batch) &&
    kinds.includes(row.kind)
  );
}

export function matchesEffect(
  { implementations, batches }: Budget,
  row: Pick<EffectRow, 'batch' | 'implementation'>,
): boolean {
  return selects(implementations, row.implementation) && selects(batches, row.batch);
}

/**
 * The entries of a budget's lists that match none of the places, so that the budget would measure less than it says.
 * Where some are unknown those alone are returned, since what they stand beside may match nothing because of them.
 *
 * @param matches {@link matchesRow} or {@link matchesEffect}
 * @param places what there is to measure
 */
export function unmatchedEntries<T>(
  budget: Budget,
  places: readonly T[],
  matches: (budget: Budget, place: T) => boolean,
): UnmatchedEntry[] {
  const alone: Budget = {
    ...budget,
    implementations: null,
    batches: null,
    layers: null,
    taps: null,
    scopes: null,
    kinds: ['valid', 'padding', 'fullyMasked'],
  };
  const unmatched = (base: Budget, isUnknown: boolean): UnmatchedEntry[] =>
    (Object.keys(LISTS) as BudgetKey[]).flatMap((key) =>
      entriesOf(budget, key)
        .filter(({ only }) => !places.some((place) => matches({ ...base, ...only }, place)))
        .map(({ entry }) => ({ key, entry, isUnknown })),
    );
  const unknown = unmatched(alone, true);
  return unknown.length > 0 ? unknown : unmatched(budget, false);
}

/** Each entry of a list, with the budget's field where it stands alone. Valid tokens are what every budget is about unless told otherwise. */
function entriesOf(budget: Budget, key: BudgetKey): { entry: string; only: Partial<Budget> }[] {
  const list: readonly (string | readonly [number, number])[] = budget[LISTS[key]] ?? [];
  if (key === 'kind' && list.length === 1 && list[0] === 'valid') return [];
  return list.map((item) => ({
    entry: typeof item === 'string' ? item : rangeText(item),
    only: { [LISTS[key]]: [item] },
  }));
}

function rangeText([first, last]: readonly [number, number]): string {
  return first === last ? String(first) : `${first}-${last}`;
}

function selects<T>(list: readonly T[] | null, item: T): boolean {
  return list === null || list.includes(item);
}

import type { PageColumn, PageTable } from '../pageTypes.js';
import { valueAt, type Value } from './decode.js';

export type Direction = 'ascending' | 'descending';

/** NaN comes first whichever way is sorted, as the worst; what is not there (null) comes last. */
function compareValues(a: Value, b: Value, direction: Direction): number {
  const rank = (value: Value): number =>
    value === null ? 2 : typeof value === 'number' && Number.isNaN(value) ? 0 : 1;
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (rank(a) !== 1 || a === b) return 0;
  const order =
    typeof a === 'number' && typeof b === 'number'
      ? a - b
      : String(a).localeCompare(String(b), 'en', { numeric: true });
  return direction === 'ascending' ? order : -order;
}

/** Which lines of a table are shown, in their order: those whose words are the chosen ones, sorted by one column; of equals the first stays first. */
export function arranged(
  { length, columns }: PageTable,
  chosen: ReadonlyMap<string, string>,
  sort: { column: string; direction: Direction } | null,
): number[] {
  const filters = [...chosen].map(([name, word]) => ({ column: columns[name]!, word }));
  const lines = Array.from({ length }, (_, line) => line).filter((line) =>
    filters.every(({ column, word }) => valueAt(column, line) === word),
  );
  const by = sort === null ? undefined : columns[sort.column];
  if (sort === null || by === undefined) return lines;
  return lines
    .map((line) => ({ line, value: valueAt(by, line) }))
    .sort((a, b) => compareValues(a.value, b.value, sort.direction))
    .map(({ line }) => line);
}

/** The different words of a column, in their order. */
export function wordsOf({ words }: PageColumn): string[] {
  return (words ?? []).filter((word) => word !== null);
}

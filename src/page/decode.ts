import type { PageColumn, PageTable } from '../pageTypes.js';

export type Value = number | string | null;

/** The value of one line of a column; NaN and infinite numbers are numbers again. */
export function valueAt({ words, values }: PageColumn, line: number): Value {
  const value = values[line] ?? null;
  if (value === null) return null;
  return words === null ? Number(value) : (words[value as number] ?? null);
}

/** The lines of a table as objects; `T` has the types that the table was made of. */
export function decode<T>({ length, columns }: PageTable): T[] {
  const entries = Object.entries(columns);
  return Array.from(
    { length },
    (_, line) =>
      Object.fromEntries(entries.map(([name, column]) => [name, valueAt(column, line)])) as T,
  );
}

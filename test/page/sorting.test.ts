import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { valueAt } from '../../src/page/decode.js';
import { arranged } from '../../src/page/sorting.js';
import type { PageTable } from '../../src/pageTypes.js';

const table: PageTable = {
  length: 6,
  columns: {
    value: { words: null, values: [3, 'NaN', null, -1, 'Infinity', '-Infinity'] },
    name: { words: ['b', 'a10', 'a9', null], values: [0, 1, 2, 3, 1, 0] },
  },
};
const ordered = (
  column: string,
  direction: 'ascending' | 'descending',
  chosen = new Map<string, string>(),
): unknown[] =>
  arranged(table, chosen, { column, direction }).map((line) =>
    valueAt(table.columns[column]!, line),
  );

describe('sorting', () => {
  test('puts NaN first whichever way, as the worst, and what is not there last', () => {
    expect(ordered('value', 'ascending')).toEqual([NaN, -Infinity, -1, 3, Infinity, null]);
    expect(ordered('value', 'descending')).toEqual([NaN, Infinity, 3, -1, -Infinity, null]);
  });

  test('takes numbers in names for numbers, and keeps the order of equals', () => {
    expect(ordered('name', 'ascending')).toEqual(['a9', 'a10', 'a10', 'b', 'b', null]);
    expect(arranged(table, new Map(), { column: 'name', direction: 'ascending' })).toEqual([
      2, 1, 4, 0, 5, 3,
    ]);
    expect(arranged(table, new Map(), { column: 'name', direction: 'descending' })).toEqual([
      0, 5, 1, 4, 2, 3,
    ]);
  });

  test('loses no line and doubles none', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.double(), fc.constant(null)), { maxLength: 40 }),
        fc.constantFrom('ascending' as const, 'descending' as const),
        (numbers, direction) => {
          const values = numbers.map((value) =>
            value === null || Number.isFinite(value) ? value : String(value),
          );
          const lines = arranged(
            { length: values.length, columns: { value: { words: null, values } } },
            new Map(),
            { column: 'value', direction },
          );
          expect(lines.toSorted((a, b) => a - b)).toEqual(values.map((_, i) => i));
        },
      ),
    );
  });
});

test('a table is narrowed to the chosen words', () => {
  expect(arranged(table, new Map([['name', 'a10']]), null)).toEqual([1, 4]);
  expect(ordered('value', 'ascending', new Map([['name', 'b']]))).toEqual([-Infinity, 3]);
});

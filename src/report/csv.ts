import { stringify } from 'csv-stringify/sync';
import { terminalText, visible } from '../printable.js';
import type { DiffReport, Row } from '../types.js';
import { reportSchema } from './schema.js';

/** The columns, which are the fields of a row in the order of the schema. */
const COLUMNS = Object.keys(reportSchema.shape.rows.element.shape) as (keyof Row)[];

/** The rows of the report as CSV: see {@link csvText}. */
export function csvReport({ rows }: DiffReport): string {
  return csvText(rows, COLUMNS);
}

/**
 * Rows as CSV (RFC 4180): a line of names, then a line for each row. Null is an empty field. Numbers have all their
 * digits; those that are none are `NaN`, `Infinity` and `-Infinity`, as pandas and R read them. Texts are on one line; one
 * that a spreadsheet would run as a formula begins with an apostrophe.
 */
export function csvText(rows: readonly object[], columns: readonly string[]): string {
  return terminalText(
    stringify([...rows], {
      header: true,
      columns: [...columns],
      record_delimiter: 'windows',
      cast: { number: String, boolean: String, string: textCell },
    }),
  );
}

/** What spreadsheets take for the beginning of a formula, full-width forms included. */
const FORMULA = /^\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]/;

/** A text, never a number, as a cell: on one line, and behind an apostrophe where a spreadsheet would run it. */
function textCell(text: string): string {
  const shown = visible(text);
  return FORMULA.test(shown) ? `'${shown}` : shown;
}

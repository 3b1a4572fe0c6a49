import { stringify } from 'csv-stringify/sync';
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
 * digits; those that are none are `NaN`, `Infinity` and `-Infinity`, as pandas and R read them.
 */
export function csvText(rows: readonly object[], columns: readonly string[]): string {
  // By itself the library quotes the line end that it writes, and no other.
  return stringify([...rows], { header: true, columns: [...columns], record_delimiter: 'windows', quoted_match: /[\r\n]/, cast: { number: String, boolean: String } });
}

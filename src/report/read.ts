import { z } from 'zod';
import { AttnDiffError } from '../errors.js';
import type { DiffReport } from '../types.js';
import { REPORT_SCHEMA } from '../types.js';
import { reportSchema } from './schema.js';

/**
 * Reads a report that was written as JSON; NaN and ±Infinity are numbers again.
 *
 * @param path the file that it came from, for the error
 * @throws AttnDiffError report-unreadable
 */
export function readReport(text: string, path: string): DiffReport {
  const refused = (problem: string): AttnDiffError => new AttnDiffError('report-unreadable', { path, problem });
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw refused(`it is not JSON (${(error as Error).message})`);
  }
  const schema = (document as { schema?: unknown } | null)?.schema;
  if (schema !== REPORT_SCHEMA) throw refused(`its schema is ${typeof schema === 'string' ? schema : 'not named'}, not ${REPORT_SCHEMA}`);
  const read = z.safeDecode(reportSchema, document as z.input<typeof reportSchema>);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw refused(`${issue?.path.join('.') || 'the document'}: ${issue?.message ?? 'it is not as the schema says'}`);
}

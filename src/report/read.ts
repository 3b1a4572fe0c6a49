import { z } from 'zod';
import { parseBoundedJson } from '../boundedJson.js';
import { AttnDiffError } from '../errors.js';
import type { DiffReport } from '../types.js';
import { REPORT_SCHEMA } from '../types.js';
import { reportSchema } from './schema.js';
import { reportProblem } from './soundReport.js';

/** A JSON document that names its schema. */
export interface SavedDocument {
  schema: string;
}

/**
 * Reads a report that was written as JSON; NaN and ±Infinity are numbers again.
 *
 * @param path the file that it came from, for the error
 * @throws AttnDiffError report-unreadable
 */
export function readReport(text: string, path: string): DiffReport {
  return decodeReport(parseDocument(text, path), path);
}

/** @throws AttnDiffError report-unreadable where the document is not as its schema says, or not the report of a run */
export function decodeReport(document: SavedDocument, path: string): DiffReport {
  return sound(decode(reportSchema, document, REPORT_SCHEMA, path), reportProblem, path);
}

/** @throws AttnDiffError report-unreadable where something is wrong with it */
export function sound<T>(saved: T, problemOf: (saved: T) => string | null, path: string): T {
  const problem = problemOf(saved);
  if (problem !== null) throw refused(path, problem);
  return saved;
}

/** @throws AttnDiffError report-unreadable where it is not JSON, or names no schema */
export function parseDocument(text: string, path: string): SavedDocument {
  let document: unknown;
  try {
    document = parseBoundedJson(text);
  } catch (error) {
    throw refused(path, `it is not JSON (${(error as Error).message})`);
  }
  const schema = (document as { schema?: unknown } | null)?.schema;
  if (typeof schema !== 'string') throw refused(path, 'its schema is not named');
  return document as SavedDocument;
}

/** @throws AttnDiffError report-unreadable where the document is not as its schema says */
export function decode<S extends z.ZodType>(
  schema: S,
  document: SavedDocument,
  name: string,
  path: string,
): z.output<S> {
  if (document.schema !== name)
    throw refused(path, `its schema is ${document.schema}, not ${name}`);
  const read = z.safeDecode(schema, document as z.input<S>);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw refused(
    path,
    `${issue?.path.join('.') || 'the document'}: ${issue?.message ?? 'it is not as the schema says'}`,
  );
}

function refused(path: string, problem: string): AttnDiffError {
  return new AttnDiffError('report-unreadable', { path, problem });
}

import type { DiffReport, Inspection } from '../types.js';
import { reportSchema } from './schema.js';

/**
 * The report as one JSON document: see {@link reportSchema}. Indented by two spaces, keys in the order of the schema,
 * with a line end; NaN and ±Infinity are the strings "NaN", "Infinity" and "-Infinity".
 */
export function jsonReport(report: DiffReport): string {
  const plain = withoutNonFinite(report);
  // A run's numbers are worth more than the order of their keys: what the schema refuses is written as it came.
  const ordered = reportSchema.safeParse(plain);
  return write(ordered.success ? ordered.data : plain);
}

/** What was recognised, as one JSON document; −Infinity (a mask's fill value) is the string "-Infinity". */
export function inspectionJson(inspection: Inspection): string {
  return write(withoutNonFinite(inspection));
}

function withoutNonFinite(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, item: unknown) =>
      typeof item === 'number' && !Number.isFinite(item) ? String(item) : item,
    ),
  );
}

function write(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

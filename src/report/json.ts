import type { z } from 'zod';
import type { BenchReport } from '../bench.js';
import type { DiffReport, Inspection } from '../types.js';
import { benchSchema } from './benchSchema.js';
import { reportSchema } from './schema.js';

/**
 * The report as one JSON document: see {@link reportSchema}. Indented by two spaces, keys in the order of the schema,
 * with a line end; NaN and ±Infinity are the strings "NaN", "Infinity" and "-Infinity".
 */
export function jsonReport(report: DiffReport): string {
  return ordered(report, reportSchema);
}

/** What a bench measured, as one JSON document in the manner of {@link jsonReport}: see {@link benchSchema}. */
export function benchJson(report: BenchReport): string {
  return ordered(report, benchSchema);
}

/** What was recognised, as one JSON document; −Infinity (a mask's fill value) is the string "-Infinity". */
export function inspectionJson(inspection: Inspection): string {
  return write(withoutNonFinite(inspection));
}

function ordered(report: unknown, schema: z.ZodType): string {
  const plain = withoutNonFinite(report);
  // A run's numbers are worth more than the order of their keys: what the schema refuses is written as it came.
  const parsed = schema.safeParse(plain);
  return write(parsed.success ? parsed.data : plain);
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

import { z } from 'zod';
import type { BenchReport } from '../bench.js';
import type { Diagnosis } from '../doctorTypes.js';
import type { Comparison, DiffReport, Inspection } from '../types.js';
import { benchSchema } from './benchSchema.js';
import { compareSchema } from './compareSchema.js';
import { doctorSchema, type DoctorDocument } from './doctorSchema.js';
import { jsonText } from './jsonText.js';
import { libraryRemedy, providerRemedy } from './providerText.js';
import { reportSchema } from './schema.js';

/**
 * The report as one JSON document: see {@link reportSchema}. Indented by two spaces, keys in the order of the schema,
 * with a line end; NaN and ±Infinity are the strings "NaN", "Infinity" and "-Infinity".
 */
export function jsonReport(report: DiffReport): string {
  return write(encodedReport(report));
}

/** The report with what JSON has no number for as its name, keys in the order of the schema. */
export function encodedReport(report: DiffReport): z.input<typeof reportSchema> {
  return encoded(reportSchema, report);
}

/** What a bench measured, as one JSON document in the manner of {@link jsonReport}: see {@link benchSchema}. */
export function benchJson(report: BenchReport): string {
  return write(encoded(benchSchema, report));
}

/** Two runs side by side, as one JSON document in the manner of {@link jsonReport}: see {@link compareSchema}. */
export function compareJson(comparison: Comparison): string {
  return write(encoded(compareSchema, comparison));
}

/** What was recognised, as one JSON document; −Infinity (a mask's fill value) is the string "-Infinity". */
export function inspectionJson(inspection: Inspection): string {
  return write(withoutNonFinite(inspection));
}

/** What was found of this machine, as one JSON document: see {@link doctorSchema}. */
export function doctorJson(diagnosis: Diagnosis): string {
  const document: DoctorDocument = {
    ...diagnosis,
    providers: diagnosis.providers.map((provider) => ({
      ...provider,
      remedy: providerRemedy(provider, diagnosis.cuda, diagnosis.libraries),
    })),
    libraries: diagnosis.libraries.map((library) => ({
      ...library,
      remedy: libraryRemedy(library, diagnosis.cuda?.version ?? null),
    })),
  };
  return write(encoded(doctorSchema, document));
}

/** What was found is worth more than the order of its keys: what the schema refuses is written as it came. */
function encoded<S extends z.ZodType>(schema: S, document: z.output<S>): z.input<S> {
  const written = z.safeEncode(schema, document);
  return written.success ? written.data : (withoutNonFinite(document) as z.input<S>);
}

/** A number that JSON has none for as its name. */
function withoutNonFinite(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, item: unknown) =>
      typeof item === 'number' && !Number.isFinite(item) ? String(item) : item,
    ),
  );
}

function write(value: unknown): string {
  return `${jsonText(value, 2)}\n`;
}

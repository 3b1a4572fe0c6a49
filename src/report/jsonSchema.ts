import { z } from 'zod';
import { baselineSchema } from './baselineSchema.js';
import { benchSchema } from './benchSchema.js';
import { compareSchema } from './compareSchema.js';
import { doctorSchema } from './doctorSchema.js';
import { historySchema } from './history/schema.js';
import { reportSchema } from './schema.js';

const DOCUMENTS = {
  report: reportSchema,
  bench: benchSchema,
  doctor: doctorSchema,
  baseline: baselineSchema,
  compare: compareSchema,
  history: historySchema,
};

/** The JSON documents that there are: what `run` and `explain` write, what `bench` does, what `doctor` does, what `--save-baseline`, `compare` and `history` do. */
export type DocumentName = keyof typeof DOCUMENTS;
export const DOCUMENT_NAMES = Object.keys(DOCUMENTS) as DocumentName[];

/** The schema of a document as JSON Schema (draft 2020-12). */
export function documentJsonSchema(name: DocumentName): Record<string, unknown> {
  return z.toJSONSchema(DOCUMENTS[name], { io: 'input' }) as Record<string, unknown>;
}

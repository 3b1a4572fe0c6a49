import { z } from 'zod';
import { failure } from './implementationSchema.js';
import { reportSchema } from './schema.js';
import { label } from './schemaParts.js';

const { rows, effects, ranges, maps, file } = reportSchema.shape;

/** What one batch of a run gave, as an interrupted run keeps it. */
const resultSchema = z.strictObject({
  rows,
  effects,
  ranges,
  map: maps.element.nullable(),
  failures: z.array(z.strictObject({ implementation: label, failure })),
  file: file.shape.rows.nullable(),
});

export type KeptResult = z.output<typeof resultSchema>;

/** What is wrong with a value as the result of a batch, NaN and infinite numbers being numbers; null where nothing is. */
export function resultProblem(value: unknown): string | null {
  const [issue] = z.safeEncode(resultSchema, value as KeptResult).error?.issues ?? [];
  return issue ? `${issue.path.join('.') || 'a line'}: ${issue.message}` : null;
}

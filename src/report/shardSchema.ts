import { z } from 'zod';
import { PRECISIONS } from '../types.js';
import { explanation } from './explanationSchema.js';
import { finding, localDivergence, partedNodes } from './findingSchema.js';
import { gateOptions } from './gateSchema.js';
import { origin } from './originSchema.js';
import { batchName, elements, kind, label, layer, scope, sha256, tap } from './schemaParts.js';

const answers = z
  .strictObject({
    origins: z
      .array(
        z.strictObject({
          asked: z.strictObject({
            implementation: label,
            batch: batchName,
            layer,
            tap,
            scope,
            kind,
          }),
          answer: z.strictObject({
            origin: origin.nullable(),
            scores: z
              .enum(PRECISIONS)
              .nullable()
              .describe("What attention's scores are kept in; null outside attention."),
            nan: elements('NaN elements there.'),
            inf: elements('Infinite elements there.'),
            kind: kind
              .nullable()
              .describe('Kind of the token that the origin is at; null where it is at none.'),
          }),
        }),
      )
      .describe('Where NaN or Inf begins.'),
    nodes: z
      .array(
        z.strictObject({
          asked: z.strictObject({ implementation: label, layer, batch: batchName }),
          answer: partedNodes.nullable(),
        }),
      )
      .describe(
        'Nodes outside attention that part where a stream first does; null where there are none.',
      ),
    causes: z
      .array(
        z.strictObject({
          asked: localDivergence,
          answer: z.strictObject({ finding, explanations: z.array(explanation) }),
        }),
      )
      .describe('What local divergences come down to.'),
  })
  .describe(
    'What the second passes of this part were asked, and answered: `attn-diff merge` asks the same.',
  );

export const shard = z
  .strictObject({
    index: z.int().positive().describe('From 1.'),
    count: z.int().positive().describe('Parts in all.'),
    batches: z
      .array(batchName)
      .describe(
        'The batches of all parts, in order; this part has every count-th, from the index-th on.',
      ),
    data: sha256('those of all batches, in order, each on a line'),
    threads: z
      .int()
      .positive()
      .describe(
        "What ONNX Runtime's threads hang on: ORT_INTRA_OP_NUM_THREADS, or the processors that the run may use.",
      ),
    gate: gateOptions,
    answers,
  })
  .describe('One part of a run whose batches are divided among several.');

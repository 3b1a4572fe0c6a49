import { z } from 'zod';
import { reportSchema } from './schema.js';
import type { Same } from './schemaParts.js';
import { BASELINE_SCHEMA, type Baseline } from '../types.js';

const { model, environment, batches, reference, implementations, rows, effects } =
  reportSchema.shape;

/** What `--save-baseline` writes: schema `attn-diff/baseline/v1`. Its fields are those of the report. */
export const baselineSchema = z
  .strictObject({
    schema: z.literal(BASELINE_SCHEMA),
    model: model.omit({ path: true }),
    environment,
    batches: z.array(batches.element.omit({ source: true })),
    reference,
    implementations: z.array(
      implementations.element.omit({
        written: true,
        ran: true,
        evidence: true,
        proof: true,
        reason: true,
        failure: true,
      }),
    ),
    rows: z
      .array(
        rows.element.pick({
          batch: true,
          layer: true,
          tap: true,
          scope: true,
          implementation: true,
          maxAbs: true,
          relL2: true,
          exactRelL2: true,
          nan: true,
          inf: true,
        }),
      )
      .describe('On valid tokens, by batch, implementation and place.'),
    effects: z.array(effects.element.omit({ perplexity: true })),
  })
  .meta({ title: 'attn-diff baseline', description: 'What of a run later ones are held against.' });

// Does not compile where the schema and baselineTypes.ts part.
true satisfies Same<z.infer<typeof baselineSchema>, Baseline>;

import { z } from 'zod';
import { FAILURES, HISTORY_RUN_SCHEMA, HISTORY_SCHEMA, type History } from '../../types.js';
import {
  batchName,
  count,
  divergenceOf,
  elements,
  label,
  layer,
  limit,
  magnitude,
  metric,
  oneLayer,
  relL2,
  sha256,
  tap,
  text,
  type Same,
} from '../schemaParts.js';

const place = z.strictObject({ relL2, limit, batch: batchName, layer, tap }).nullable();

const implementation = z.strictObject({
  name: label,
  failure: z
    .enum(FAILURES)
    .nullable()
    .describe('How it ended, where it did not run to its end; else null.'),
  local: place.describe(
    "Where it parts most on the reference's Q, K, V; null where nothing was measured.",
  ),
  accumulated: place.describe(
    'Where it parts most in its own stream; null where nothing was measured.',
  ),
  nonFinite: elements('NaN and infinite elements of its own stream, on valid tokens.'),
  effect: z
    .strictObject({
      targets: count('Predictions that count.'),
      loss: magnitude('Mean −ln p(next token), nats.'),
      deltaLoss: metric('That loss without the one of the reference.'),
      kl: divergenceOf('Mean KL(reference ‖ implementation), nats.'),
      flips: count("Predictions whose most likely token is not the reference's."),
    })
    .nullable()
    .describe(
      'What it does to the next token, over all batches; null where nothing was predicted.',
    ),
  faults: z.array(z.string()).describe('Codes of what was found of it that is a fault.'),
});

/** A line of the file that `--history` appends to: schema `attn-diff/history-run/v1`. */
export const historyRunSchema = z
  .strictObject({
    schema: z.literal(HISTORY_RUN_SCHEMA),
    time: z.iso.datetime().describe('When the run ended, in UTC.'),
    label: text('What the run is called: --label, else the model as it was given.'),
    model: z.strictObject({
      path: text('Path of the ONNX file.'),
      sha256: sha256('the ONNX file and its external data'),
    }),
    attnDiff: text('Version of attn-diff.'),
    reference: label,
    setup: sha256(
      'what was compared on what: batches, implementations and their settings; runs with another are not alike',
    ),
    passed: z.boolean().describe('The verdict.'),
    failedChecks: count('Checks that were missed, and fail the run.'),
    implementations: z.array(implementation),
    range: z
      .strictObject({
        maxScore: magnitude('max |QKᵀ|, unscaled, of the reference.'),
        headroom: magnitude('65504 / maxScore: below 1, fp16 overflows.'),
        batch: batchName,
        layer: oneLayer,
      })
      .nullable()
      .describe(
        'Where the scores of the reference are nearest to 65504; null where that was not measured.',
      ),
  })
  .meta({
    title: 'attn-diff history, one run',
    description: 'A line of the file that --history appends to.',
  });

const run = count('The run, counted from 0.');

/** What `attn-diff history --format json` writes: schema `attn-diff/history/v1`. */
export const historySchema = z
  .strictObject({
    schema: z.literal(HISTORY_SCHEMA),
    runs: z.array(historyRunSchema).describe('As they stand in the file.'),
    marks: z
      .array(
        z.discriminatedUnion('kind', [
          z
            .strictObject({ kind: z.literal('verdict'), run, passed: z.boolean() })
            .describe('The verdict is another than that of the run before.'),
          z
            .strictObject({
              kind: z.literal('beyond-rounding'),
              run,
              implementation: label,
              scope: z.enum(['local', 'accumulated']),
            })
            .describe(
              'The first run in which the implementation parts by more than rounding explains.',
            ),
          z
            .strictObject({ kind: z.literal('non-finite'), run, implementation: label })
            .describe('The first run in which it has NaN or Inf on valid tokens.'),
          z
            .strictObject({ kind: z.literal('failed'), run, implementation: label })
            .describe('The first run that it did not get through.'),
          z
            .strictObject({ kind: z.literal('setup'), run })
            .describe('Other batches, implementations or settings than in the run before.'),
        ]),
      )
      .describe('Runs at which something turned, in their order.'),
  })
  .meta({ title: 'attn-diff history', description: 'The runs of a model that changes.' });

// Does not compile where the schema and historyTypes.ts part.
true satisfies Same<z.infer<typeof historySchema>, History>;

import { z } from 'zod';
import { BENCH_SCHEMA, type BenchReport } from '../bench.js';
import { implementation } from './implementationSchema.js';
import { model } from './schema.js';
import { count, environment, label, metric, type Same } from './schemaParts.js';

const { name: _name, failure, ...kernel } = implementation.shape;

const row = z
  .strictObject({
    implementation: label,
    ...kernel,
    length: count('Tokens per row of the batch, none of them padding.'),
    batch: count('Rows of the batch.'),
    seconds: z
      .strictObject({
        median: metric('Median.'),
        min: metric('Fastest pass.'),
        max: metric('Slowest pass.'),
        mad: metric('Median absolute deviation: median |x − median|.'),
      })
      .nullable()
      .describe('Wall-clock seconds of a forward pass; null where the implementation failed.'),
    tokensPerSecond: metric('batch · length / median seconds.').nullable(),
    ratio: metric('Median seconds over those of the baseline at this length.').nullable(),
    peakMiB: metric(
      'Most main memory that the process held, above what it held before the model was opened; memory of a GPU is not measured.',
    ).nullable(),
    memoryRatio: metric('peakMiB over that of the baseline at this length.').nullable(),
    failure,
  })
  .describe('Forward passes of the whole model with one implementation, at one length.');

/** The JSON form of a BenchReport: schema `attn-diff/bench/v1`. */
export const benchSchema = z
  .strictObject({
    schema: z.literal(BENCH_SCHEMA),
    model,
    environment,
    settings: z.strictObject({
      lengths: z.array(count('Tokens per row.')),
      batch: count('Rows of random tokens.'),
      repeat: count('Passes that count.'),
      warmup: count('Passes before them, which do not.'),
      timeout: z.number().nullable().describe('Seconds that one step may take; null for no limit.'),
    }),
    baseline: label.describe('What ratios are taken against: the unmodified file.'),
    rows: z
      .array(row)
      .describe('By length, and of one length in the order of the implementations.'),
  })
  .meta({
    title: 'attn-diff bench',
    description: 'Time and memory of forward passes, by implementation of attention and length.',
  });

// Does not compile where the schema and bench.ts part.
true satisfies Same<z.infer<typeof benchSchema>, BenchReport>;

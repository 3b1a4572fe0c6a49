import { z } from 'zod';
import type { BenchSettings } from '../bench.js';
import { DEFAULT_SETTINGS } from '../attention/settings.js';
import type { Stream } from '../types.js';
import {
  checkedOptions,
  implementationNames,
  RUN_OPTIONS,
  runSchema,
  type OptionHelp,
} from './runOptions.js';
import type { RunConfig } from './run.js';
import { nameStreams, withReference, type StreamDefaults } from './streams.js';
import { integer, list, word } from './values.js';

/** Everything that `attn-diff bench` was asked for, checked. */
export interface BenchConfig extends BenchSettings, Pick<RunConfig, 'model' | 'dtype'> {
  format: 'text' | 'json';
  /** Null for standard output. */
  output: string | null;
  /** In the order asked for; the baseline comes first where it was not among them. */
  implementations: Stream[];
  /** Label of the one that ratios are taken against: the unmodified file. */
  baseline: string;
}

/** Options as commander hands them over: strings, absent where not given. */
export type RawBenchOptions = { [K in keyof typeof benchSchema.shape]?: string | undefined };

const MOST_TOKENS = 2 ** 20;
const MOST_ROWS = 4096;
const MOST_RUNS = 10_000;

const { model, dtype, provider, precision, timeout, output } = runSchema.shape;

export const benchSchema = z.object({
  model,
  dtype,
  impl: z.string().default('original,eager,sdpa,flash').pipe(implementationNames),
  provider,
  precision,
  lengths: z
    .string()
    .default('64,256')
    .pipe(list(integer(1, MOST_TOKENS)))
    .refine((lengths) => new Set(lengths).size === lengths.length, 'it names a length twice'),
  batch: z.string().default('1').pipe(integer(1, MOST_ROWS)),
  repeat: z.string().default('5').pipe(integer(1, MOST_RUNS)),
  warmup: z.string().default('1').pipe(integer(0, MOST_RUNS)),
  timeout,
  format: z
    .string()
    .default('text')
    .pipe(word(['text', 'json'])),
  output,
});

const OPTIONS: Record<keyof typeof benchSchema.shape, OptionHelp> = {
  ...RUN_OPTIONS,
  lengths: {
    flag: '--lengths',
    accepts: 'whole numbers of tokens, each at least 1, such as 64,256',
  },
  batch: { flag: '--batch', accepts: `a whole number of rows from 1 to ${MOST_ROWS}` },
  repeat: { flag: '--repeat', accepts: `a whole number of passes from 1 to ${MOST_RUNS}` },
  warmup: { flag: '--warmup', accepts: `a whole number of passes from 0 to ${MOST_RUNS}` },
};

/**
 * Checks the options of `attn-diff bench` and fills in the defaults. Nothing is opened.
 *
 * @throws AttnDiffError bad-option (the first that is wrong), unknown-implementation
 */
export function parseBenchOptions(raw: RawBenchOptions): BenchConfig {
  const {
    provider: place,
    precision: asked,
    impl: names,
    timeout: seconds,
    output: path,
    ...rest
  } = checkedOptions(benchSchema, raw, OPTIONS);
  const defaults: StreamDefaults = {
    ...DEFAULT_SETTINGS,
    provider: place,
    precision: asked,
    scoresPrecision: null,
  };
  const { implementations, reference: baseline } = withReference(
    nameStreams(names, defaults),
    'original',
    defaults,
  );
  return { ...rest, implementations, baseline, timeout: seconds ?? null, output: path ?? null };
}

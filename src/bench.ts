/** What `attn-diff bench` finds. */
import type { EnvironmentInfo, Failure, ImplementationInfo, ModelInfo } from './types.js';

/** Where repeated measurements lie: `mad` is the median absolute deviation from the median. */
export interface Spread {
  median: number;
  min: number;
  max: number;
  mad: number;
}

/** Forward passes of one implementation at one length, with the kernel that ran there. */
export interface BenchRow extends Omit<ImplementationInfo, 'name' | 'failure'> {
  implementation: string;
  /** Tokens per row of the batch, none of them padding. */
  length: number;
  /** Rows. */
  batch: number;
  /** Wall-clock seconds of a pass; null where it failed, as are all that follow. */
  seconds: Spread | null;
  /** batch · length / the median. */
  tokensPerSecond: number | null;
  /** The median over the baseline's at that length; null also where that has none. */
  ratio: number | null;
  /** Most memory that its process held, above what it held before the model was opened, MiB. */
  peakMiB: number | null;
  /** peakMiB over the baseline's at that length. */
  memoryRatio: number | null;
  failure: Failure | null;
}

export interface BenchSettings {
  lengths: number[];
  /** Rows of random tokens. */
  batch: number;
  /** Passes that count. */
  repeat: number;
  /** Passes before them. */
  warmup: number;
  /** Seconds that one step may take; null for no limit. */
  timeout: number | null;
}

export const BENCH_SCHEMA = 'attn-diff/bench/v1';

/** Rows come by length, and of one length in the order of the implementations. */
export interface BenchReport {
  schema: typeof BENCH_SCHEMA;
  model: ModelInfo;
  environment: EnvironmentInfo;
  settings: BenchSettings;
  /** What ratios are taken against: the unmodified file. */
  baseline: string;
  rows: BenchRow[];
}

/** What is kept of the runs of a model that changes, such as one that is being trained. */
import type { FailureKind } from './implementationInfo.js';
import type { Tap } from './tap.js';

export const HISTORY_RUN_SCHEMA = 'attn-diff/history-run/v1';
export const HISTORY_SCHEMA = 'attn-diff/history/v1';

/** Where an implementation parts most from the reference, on valid tokens. */
export interface HistoryPlace {
  /** NaN where any is. */
  relL2: number;
  /** The relative L2 that rounding explains. */
  limit: number;
  batch: string;
  /** Null for the logits. */
  layer: number | null;
  tap: Tap;
}

export interface HistoryImplementation {
  /** The stream's label. */
  name: string;
  /** How it ended, where it did not run to its end; else null. */
  failure: FailureKind | null;
  /** On the reference's Q, K, V; null where nothing was measured, as of the reference itself. */
  local: HistoryPlace | null;
  /** In its own stream. */
  accumulated: HistoryPlace | null;
  /** NaN and infinite elements of its own stream, on valid tokens. */
  nonFinite: number;
  /** What it does to the next token, over all batches; null where nothing was predicted. */
  effect: { targets: number; loss: number; deltaLoss: number; kl: number; flips: number } | null;
  /** Codes of what was found of it that is a fault. */
  faults: string[];
}

/** One run: a line of a history. */
export interface HistoryRun {
  schema: typeof HISTORY_RUN_SCHEMA;
  /** When it ended, in UTC, as ISO 8601 has it. */
  time: string;
  /** What the run is called: `--label`, else the model as it was given. */
  label: string;
  model: { path: string; sha256: string };
  attnDiff: string;
  reference: string;
  /** SHA-256 of what was compared on what: batches, implementations and their settings. Numbers of runs with another are not alike. */
  setup: string;
  passed: boolean;
  /** Checks that were missed, and fail the run. */
  failedChecks: number;
  implementations: HistoryImplementation[];
  /** Where QKᵀ of the reference is nearest to 65504; null where that was not measured. */
  range: { maxScore: number; headroom: number; batch: string; layer: number } | null;
}

/** A run at which something turned; `run` counts from 0. */
export type HistoryMark =
  | { kind: 'verdict'; run: number; passed: boolean }
  /** The first run in which an implementation parts by more than rounding explains. */
  | { kind: 'beyond-rounding'; run: number; implementation: string; scope: 'local' | 'accumulated' }
  /** The first run in which it has NaN or Inf on valid tokens. */
  | { kind: 'non-finite'; run: number; implementation: string }
  /** The first run that it did not get through. */
  | { kind: 'failed'; run: number; implementation: string }
  /** Other batches, implementations or settings than in the run before. */
  | { kind: 'setup'; run: number };

/** What `attn-diff history` shows. */
export interface History {
  schema: typeof HISTORY_SCHEMA;
  /** As they stand in the file. */
  runs: HistoryRun[];
  marks: HistoryMark[];
}

/** Numbers of a run that can be plotted. */
export const HISTORY_METRICS = [
  'local',
  'accumulated',
  'loss',
  'delta-loss',
  'kl',
  'flips',
  'non-finite',
  'max-score',
  'headroom',
] as const;
export type HistoryMetric = (typeof HISTORY_METRICS)[number];

export const HISTORY_FORMAT_NAMES = ['text', 'json', 'csv'] as const;

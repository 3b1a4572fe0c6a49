/** What a run is held against: an earlier one, as it was saved. */
import type {
  BatchInfo,
  Check,
  DiffReport,
  EffectRow,
  EnvironmentInfo,
  Row,
  RunImplementationInfo,
  RunModelInfo,
} from './types.js';

export const BASELINE_SCHEMA = 'attn-diff/baseline/v1';

/** Of one tap of one implementation in one batch, on valid tokens. */
export type SavedRow = Pick<
  Row,
  | 'batch'
  | 'layer'
  | 'tap'
  | 'scope'
  | 'implementation'
  | 'maxAbs'
  | 'relL2'
  | 'exactRelL2'
  | 'nan'
  | 'inf'
>;
export type SavedEffect = Omit<EffectRow, 'perplexity'>;
export type SavedImplementation = Omit<
  RunImplementationInfo,
  'written' | 'ran' | 'evidence' | 'proof' | 'reason' | 'failure'
>;

/** What of a run another is held against: what was run, on what, and the numbers that may regress. */
export interface SavedRun {
  model: Omit<RunModelInfo, 'path'>;
  environment: EnvironmentInfo;
  batches: Omit<BatchInfo, 'source'>[];
  reference: string;
  implementations: SavedImplementation[];
  /** By batch, implementation and place. */
  rows: SavedRow[];
  effects: SavedEffect[];
}

/** What `--save-baseline` writes. */
export interface Baseline extends SavedRun {
  schema: typeof BASELINE_SCHEMA;
}

/** What was saved of a run: the whole report, or its numbers alone. */
export interface Saved {
  run: SavedRun;
  report: DiffReport | null;
}

/** In what two runs must be alike for their numbers to be compared; the names that `--allow` takes. */
export const KEY_FIELDS = [
  'model',
  'precision',
  'settings',
  'reference',
  'implementations',
  'batches',
  'provider',
  'gpu',
  'cpu',
  'onnxruntime',
  'kernel',
] as const;
export type KeyField = (typeof KEY_FIELDS)[number];

/** In what a run differs from the baseline. */
export interface KeyDifference {
  field: KeyField;
  /** The implementation or batch that it is about; null where it is about the whole run. */
  of: string | null;
  was: string;
  is: string;
}

/** What of a run is compared with the key of a baseline; null for what is not known yet. */
export interface RunKey {
  model: Pick<RunModelInfo, 'sha256' | 'precision' | 'activations'>;
  environment: Pick<EnvironmentInfo, 'gpu' | 'cpu' | 'onnxruntime'>;
  batches: readonly Pick<BatchInfo, 'name' | 'sha256'>[];
  reference: string;
  implementations: readonly (Pick<RunImplementationInfo, 'name' | 'asked' | 'settings'> & {
    precision: string | null;
    emulated: boolean;
    provider: string | null;
    kernel: string | null;
  })[];
}

/** What a run is asked to be held against. */
export interface BaselineOptions {
  path: string;
  /** How many times what it was a number may be. */
  factor: number;
  /** In what the two may differ. */
  allow: readonly KeyField[];
}

export interface HeldBaseline extends BaselineOptions {
  run: SavedRun;
}

/** Numbers of one kind: how many, and where the first is. */
export interface Tally {
  count: number;
  /** Null where there is none. */
  first:
    | (Pick<Check, 'layer' | 'implementation' | 'tap' | 'scope' | 'batch'> & { metric: string })
    | null;
}

/** What came of holding a run against a baseline, beside the checks. */
export interface BaselineComparison {
  path: string;
  factor: number;
  /** Differences that were let pass by name. */
  allowed: KeyDifference[];
  /** Numbers that were held against those of the baseline. */
  compared: number;
  /** Of them, those that grew by more than the factor where rounding explains it. */
  explained: Tally;
  /** Numbers that are not finite, and were not. */
  stillNonFinite: Tally;
  /** Numbers that are finite, and were not. */
  nowFinite: Tally;
  /** Numbers that only the baseline has. */
  missing: Tally;
  /** Numbers that only this run has. */
  added: Tally;
}

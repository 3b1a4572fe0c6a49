/** What `attn-diff compare` finds in two saved runs. */
import type { BaselineComparison, Check, Finding, SavedEffect, SavedRow } from './types.js';

export const COMPARE_SCHEMA = 'attn-diff/compare/v1';

/** One of the two. */
export interface ComparedRun {
  path: string;
  /** Whether it is a whole report, or the numbers of one. */
  kind: 'report' | 'baseline';
  reference: string;
  /** Its verdict; null where it is not told. */
  passed: boolean | null;
}

/** What was run otherwise; null where one of the two has none, or does not tell. */
export interface RunDifference {
  part: 'run' | 'model' | 'environment' | 'batch' | 'implementation';
  /** The batch or implementation. */
  of: string | null;
  field: string;
  a: string | null;
  b: string | null;
}

export type RowNumbers = Pick<SavedRow, 'maxAbs' | 'relL2' | 'exactRelL2' | 'nan' | 'inf'>;

/** One tap of one implementation, on valid tokens. Null where only the other run has it. */
export interface ComparedRow extends Pick<
  SavedRow,
  'batch' | 'layer' | 'tap' | 'scope' | 'implementation'
> {
  a: RowNumbers | null;
  b: RowNumbers | null;
  /** relL2 of b over that of a: 0/0 is 1, x/0 is Infinity; null where one has none. */
  ratio: number | null;
  /** Relative L2 that rounding explains, the less of the two. */
  rounding: number;
}

/** `lossDelta`: the loss less that of the reference, nats. */
export type EffectNumbers = Pick<SavedEffect, 'targets' | 'loss' | 'kl' | 'flips'> & {
  lossDelta: number;
};

export interface ComparedEffect {
  batch: string;
  implementation: string;
  a: EffectNumbers | null;
  b: EffectNumbers | null;
}

export interface Comparison {
  schema: typeof COMPARE_SCHEMA;
  a: ComparedRun;
  b: ComparedRun;
  /** Whether every number of one is in the other, and the same bit for bit. */
  identical: boolean;
  differences: RunDifference[];
  /** In the order of b, and after it what only a has. */
  rows: ComparedRow[];
  effects: ComparedEffect[];
  /** Null where one of the two does not tell its findings. */
  findings: { came: Finding[]; went: Finding[]; stayed: Finding[] } | null;
  /** What came of holding b against a; null where that was not asked for. */
  regression: {
    passed: boolean;
    checks: Check[];
    told: Omit<BaselineComparison, 'allowed'>;
  } | null;
}

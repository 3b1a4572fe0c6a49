/** What the gate checks, and what came of it. */
import type { Scope, Tap, TokenKind } from './tap.js';

/** How much a check that is missed counts: nothing, a word in the report, or a failed run. */
export const LEVELS = ['off', 'warn', 'error'] as const;
export type Level = (typeof LEVELS)[number];

/** Checks of a number in the rows, by the names of their limits; each looks at the metric of {@link BUDGET_METRICS}. */
export const BUDGET_NAMES = [
  'max-abs',
  'min-cosine',
  'max-ratio',
  'mean-l2',
  'rel-l2',
  'mean-cosine',
  'bias',
  'exact-abs',
  'exact-rel-l2',
  'ratio-fp32',
] as const;
export type BudgetName = (typeof BUDGET_NAMES)[number];

/** Checks of what comes of it all, per batch. */
export const EFFECT_BUDGET_NAMES = ['loss', 'kl', 'flips'] as const;
export type EffectBudgetName = (typeof EFFECT_BUDGET_NAMES)[number];

export const CHECK_NAMES = [
  ...BUDGET_NAMES,
  ...EFFECT_BUDGET_NAMES,
  'non-finite',
  'compared',
  'completed',
  'kernel',
  'finding',
  'regression',
] as const;
export type CheckName = (typeof CHECK_NAMES)[number];

/** Where a limit was set. */
export type CheckSource =
  /** It is always checked. */
  | { kind: 'always' }
  | { kind: 'flag'; flag: string }
  /** A key of a configuration file (`budgets[2].max`), and its line, from 1. */
  | { kind: 'config'; path: string; key: string; line: number }
  /** The budget that attn-diff itself brings for a precision. */
  | { kind: 'default'; precision: string }
  /** What an earlier run measured there, and how many times that is allowed; the limit may be wider, where rounding explains more. */
  | { kind: 'baseline'; path: string; was: number; factor: number };

export interface Check {
  name: CheckName;
  /** Whether missing it fails the run, or is only told. */
  level: Exclude<Level, 'off'>;
  operator: '<=' | '>=' | '==' | '>';
  expected: number;
  /** The worst value that was seen. */
  actual: number;
  layer: number | null;
  implementation: string;
  tap: Tap | null;
  scope: Scope | null;
  batch: string | null;
  /** The tokens that were looked at; null where it is not about tokens. */
  kind: TokenKind | null;
  /** The code of the finding, for `finding`; the metric, for `regression`; of a budget an entry that matches nothing; else null. */
  subject: string | null;
  source: CheckSource;
  passed: boolean;
}

export interface Verdict {
  /** Whether no check of level `error` was missed. */
  passed: boolean;
  checks: Check[];
}

/** A limit on one number, for some of the rows. */
export interface Budget {
  metric: BudgetName | EffectBudgetName;
  /** The largest value that passes; of a cosine the smallest. */
  limit: number;
  level: Level;
  /** Null stands for all, in each of these. */
  taps: readonly Tap[] | null;
  scopes: readonly Scope[] | null;
  /** First and last, both included; the logits are in no range. */
  layers: readonly (readonly [number, number])[] | null;
  implementations: readonly string[] | null;
  batches: readonly string[] | null;
  kinds: readonly TokenKind[];
  source: CheckSource;
}

/** What a run is held against. */
export interface GateOptions {
  budgets: readonly Budget[];
  /** Level of the limits that attn-diff brings for each precision. */
  defaults: Level;
  /** Level of what findings say, by code; those that are not named have their usual one. */
  findings: Readonly<Record<string, Level>>;
  failOn: 'nan' | 'none';
  /** Whether every implementation must be shown to have run the kernel that it asks for. */
  requireKernel: boolean;
}

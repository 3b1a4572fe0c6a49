import type {
  Cause,
  Deviation,
  Explanation,
  Factor,
  Finding,
  LocalDivergence,
  Row,
} from '../types.js';
import { ranksOf } from './order.js';
import { relativeL2 } from './token.js';

/** A deviation that may be what makes two implementations part. */
export type Change = Exclude<Deviation, { kind: 'nan' }>;

export type CauseFinding = Extract<Finding, { code: Cause }>;

/** What one changed computation gave, summed over valid tokens. */
export interface Trial {
  change: Change;
  /** The change that was made besides; null without. */
  besides: Change | null;
  /** Σ‖x − changed‖² */
  squaredDelta: number;
  /** Σ‖changed‖² */
  squaredNorm: number;
}

/** The share of the difference from which on one change counts as its cause. */
export const ENOUGH = 0.9;
/** Shares that are this near to one another explain equally well. */
const EQUAL = 0.005;
/** A second change is worth telling where it adds at least this share. */
const GAIN = 0.01;
/** The error against exact of the one at fault is at least this many times the other's. */
const FAR = 2;

const CAUSE_OF: Readonly<Record<Change['kind'], Cause>> = {
  'scores-precision': 'low-precision-scores',
  'softmax-precision': 'softmax-precision',
  precision: 'attention-precision',
  flush: 'underflow',
  scale: 'scale-mismatch',
  window: 'window-mismatch',
  alignment: 'causal-alignment',
  'mask-ignored': 'mask-ignored',
  'mask-shift': 'mask-shift',
  fill: 'mask-fill',
  'mask-form': 'mask-fill',
  'padding-side': 'padding-side',
  positions: 'position-ids',
  'head-order': 'head-mapping',
  'kv-mapping': 'head-mapping',
};

/** Of kinds that explain equally well, the earlier is named: masks and orders first, and a scale, for which there is always some best value, last. */
const SIMPLICITY = ranksOf<Change['kind']>({
  window: true,
  alignment: true,
  'padding-side': true,
  'mask-ignored': true,
  'mask-shift': true,
  'kv-mapping': true,
  'head-order': true,
  positions: true,
  'scores-precision': true,
  'softmax-precision': true,
  'mask-form': true,
  fill: true,
  precision: true,
  flush: true,
  scale: true,
});

/**
 * What each trial explains: relL2 = √Σ‖x − changed‖² / √Σ‖changed‖² and explained = 1 − Σ‖x − changed‖² / Σ‖x − ref‖²,
 * over valid tokens, without a unit. A NaN in the trial makes both NaN.
 *
 * What explains most comes first; among equals the simplest, so that of two masks that this batch cannot tell apart
 * the likelier is named. NaN comes last. Of kinds that are searched by value (scale, window, …) only the best stays,
 * and of pairs only the best, if it explains more than one change alone does.
 *
 * @param squaredReference Σ‖x − ref‖² before any change, greater than 0
 */
export function factorsOf(trials: readonly Trial[], squaredReference: number): Factor[] {
  const factors = trials.map(({ change, besides, squaredDelta, squaredNorm }): Ranked => ({
    factor: {
      deviation: change,
      besides,
      cause: CAUSE_OF[change.kind],
      relL2: relativeL2(squaredDelta, squaredNorm),
      explained: 1 - squaredDelta / squaredReference,
    },
    group: groupOf(change, besides),
    simplicity: SIMPLICITY[change.kind] + (besides === null ? 0 : Object.keys(SIMPLICITY).length),
  }));
  const sorted = told(
    factors.toSorted((a, b) => descending(a.factor.explained, b.factor.explained)),
  );
  const best = sorted[0]?.factor.explained ?? NaN;
  const equals = sorted.filter(({ factor }) => factor.explained >= best - EQUAL);
  const ordered = [
    ...equals.toSorted((a, b) => a.simplicity - b.simplicity),
    ...sorted.filter((each) => !equals.includes(each)),
  ];
  return ordered
    .filter(({ group }, i) => ordered.findIndex((other) => other.group === group) === i)
    .map(({ factor }) => factor);
}

/** Without pairs that add nothing to the best change alone. */
function told(sorted: readonly Ranked[]): Ranked[] {
  const alone = sorted.find(({ factor }) => factor.besides === null)?.factor.explained ?? NaN;
  return sorted.filter(({ factor }) => factor.besides === null || factor.explained >= alone + GAIN);
}

interface Ranked {
  factor: Factor;
  group: string;
  simplicity: number;
}

/** What is searched by value shares a group; what is one of few words has its own. */
function groupOf(change: Change, besides: Change | null): string {
  if (besides !== null) return 'pair';
  if (change.kind === 'mask-ignored') return `${change.kind}/${change.part}`;
  return 'to' in change && change.kind !== 'window' ? `${change.kind}/${change.to}` : change.kind;
}

function descending(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return b - a;
}

/** Whether one change alone accounts for the difference: for 9/10 of its energy, or for all that rounding does not. */
export function isEnough({ besides, explained, relL2 }: Factor, limit: number): boolean {
  return besides === null && (explained >= ENOUGH || relL2 <= limit);
}

/**
 * Which of the two is at fault: the one whose error against exact on the same Q, K, V is at least twice the other's;
 * the implementation where neither is, and where an error is NaN.
 *
 * @returns whether it is the reference
 */
export function isReferenceAtFault(
  rows: readonly Row[],
  {
    implementation,
    reference,
    layer,
    batch,
  }: Pick<Explanation, 'implementation' | 'reference' | 'layer' | 'batch'>,
): boolean {
  const errorOf = (label: string): number =>
    localRows(rows, label, batch).find((row) => row.layer === layer)?.exactRelL2 ?? NaN;
  return errorOf(reference) >= FAR * errorOf(implementation) && errorOf(reference) > 0;
}

/** Local attention rows of valid tokens, in the order of the layers. */
export function localRows(rows: readonly Row[], implementation: string, batch: string): Row[] {
  const found = rows.filter(
    (row) =>
      row.implementation === implementation &&
      row.batch === batch &&
      row.scope === 'local' &&
      row.tap === 'attention' &&
      row.kind === 'valid',
  );
  return found.toSorted((a, b) => (a.layer ?? 0) - (b.layer ?? 0));
}

/** The layers of the finding's batch that part by more than rounding, ascending; those of a NaN difference are not among them. */
export function divergingLayers(
  rows: readonly Row[],
  { implementation, batch, limit }: Pick<LocalDivergence, 'implementation' | 'batch' | 'limit'>,
): number[] {
  return localRows(rows, implementation, batch).flatMap(({ layer, relL2 }) =>
    layer !== null && relL2 > limit ? [layer] : [],
  );
}

/**
 * The finding that a local divergence becomes once its cause is known; null where no single change is enough.
 *
 * @param explanation of the finding's layer
 * @param faultOf what the reference does otherwise if it is at fault, given the change that cures it; null if it is not
 */
export function causeFinding(
  finding: LocalDivergence,
  explanation: Explanation,
  layers: number[],
  faultOf: ((change: Change) => Change) | null,
): CauseFinding | null {
  const factor = explanation.factors.find((each) => isEnough(each, finding.limit));
  if (!factor) return null;
  const { implementation, reference } = explanation;
  const { batch, relL2, limit, firstToken } = finding;
  // Factors are made of changes that were tried.
  const change = factor.deviation as Change;
  const roles = faultOf
    ? { implementation: reference, against: implementation }
    : { implementation, against: reference };
  return {
    code: factor.cause,
    ...roles,
    layers,
    batch,
    relL2,
    limit,
    explained: factor.explained,
    deviation: faultOf ? faultOf(change) : change,
    firstToken,
  };
}

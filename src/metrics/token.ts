import type { TokenStats } from '../types.js';

/**
 * A token diverges where ‖x − ref‖ > DIVERGENCE · ‖ref‖ (no unit).
 * Ten times the fp32 rounding that a layer is allowed ({@link ROUNDING}), so that rounding alone does not mark a token.
 */
export const DIVERGENCE = 1e-4;

/** The statistics of one token of one tap: see TokenStats for the formulae. */
export interface TokenRecord {
  maxAbs: number;
  l2Delta: number;
  l2: number;
  l2Ref: number;
  dot: number;
  sumDelta: number;
  nan: number;
  inf: number;
  maxAbsExact: number;
  l2DeltaExact: number;
  l2Exact: number;
  sumDeltaExact: number;
}

/**
 * Reads one token out of the arrays.
 *
 * A NaN in the token always leaves `maxAbs` NaN, also where a provider's maximum has passed over it.
 *
 * @param stats arrays of [size·length]
 * @param index row-major index of the token
 * @throws RangeError where an array is too short
 */
export function tokenAt(stats: TokenStats, index: number): TokenRecord {
  const read = (name: keyof TokenRecord): number => {
    const value = stats[name][index];
    if (value === undefined) throw new RangeError(`TokenStats.${name} has no token ${index}`);
    return value;
  };
  const l2Delta = read('l2Delta');
  const l2DeltaExact = read('l2DeltaExact');
  const nan = read('nan');
  return {
    maxAbs: nan > 0 || Number.isNaN(l2Delta) ? NaN : read('maxAbs'),
    l2Delta,
    l2: read('l2'),
    l2Ref: read('l2Ref'),
    dot: read('dot'),
    sumDelta: read('sumDelta'),
    nan,
    inf: read('inf'),
    maxAbsExact: nan > 0 || Number.isNaN(l2DeltaExact) ? NaN : read('maxAbsExact'),
    l2DeltaExact,
    l2Exact: read('l2Exact'),
    sumDeltaExact: read('sumDeltaExact'),
  };
}

/**
 * Cosine of the angle between x and ref: x·ref / (‖x‖‖ref‖), clamped to [−1, 1] against rounding.
 *
 * Exactly 1 where maxAbs is exactly 0 (two zero vectors included); 0 where only one of the two is a zero vector;
 * NaN where any statistic is NaN or infinite.
 */
export function cosine(token: TokenRecord): number {
  if (token.maxAbs === 0) return 1;
  const finite = [token.maxAbs, token.l2, token.l2Ref, token.dot].every((value) =>
    Number.isFinite(value),
  );
  if (!finite) return NaN;
  if (token.l2 === 0 || token.l2Ref === 0) return 0;
  return Math.max(-1, Math.min(1, token.dot / token.l2 / token.l2Ref));
}

/** Whether ‖Δ‖ > DIVERGENCE · ‖ref‖, or the difference is NaN or infinite. */
export function diverges(token: TokenRecord): boolean {
  if (!Number.isFinite(token.l2Delta) || !Number.isFinite(token.maxAbs)) return true;
  return !(token.l2Delta <= DIVERGENCE * token.l2Ref);
}

/**
 * ‖Δ‖ / ‖ref‖, both norms over many tokens: 0/0 is 0, x/0 is Infinity, NaN stays NaN; NaN where the reference is infinite.
 *
 * @param squaredDelta Σ‖Δ‖²
 * @param squaredRef Σ‖ref‖²
 */
export function relativeL2(squaredDelta: number, squaredRef: number): number {
  if (squaredRef === Infinity) return NaN;
  if (squaredDelta === 0 && squaredRef === 0) return 0;
  return Math.sqrt(squaredDelta) / Math.sqrt(squaredRef);
}

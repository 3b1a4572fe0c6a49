import type { TokenStats } from '../types.js';

/**
 * How far the two sides may be apart, relative to ‖x‖² + ‖ref‖². All are float64 sums of the same
 * products, whose rounding is below 1e-12 for a million elements.
 */
const LIMIT = 1e-9;

/** A token whose statistics cannot all be right. */
interface Contradiction {
  stats: TokenStats;
  token: number;
  /** ‖x − ref‖² as the statistics give it, and what ‖x‖² + ‖ref‖² − 2 x·ref comes to. */
  found: number;
  expected: number;
}

/**
 * Looks for a token at which ‖x − ref‖² = ‖x‖² + ‖ref‖² − 2 x·ref does not hold. It holds for all
 * tensors, right or wrong; where it does not, the device that reduced them is at fault, and every
 * number that it gave is worth nothing: one that computes nothing gives a difference of 0.
 *
 * Tokens whose ‖x‖ or ‖ref‖ is NaN or infinite are passed over. Where both are finite, a difference
 * or product that is not is a contradiction.
 *
 * @returns the first one; null where there is none
 */
export function contradiction(all: readonly TokenStats[]): Contradiction | null {
  for (const stats of all) {
    for (let token = 0; token < stats.l2.length; token++) {
      const [own, reference] = [stats.l2[token]! ** 2, stats.l2Ref[token]! ** 2];
      if (!Number.isFinite(own + reference)) continue;
      const found = stats.l2Delta[token]! ** 2;
      const expected = own + reference - 2 * stats.dot[token]!;
      // Also true where one is NaN.
      if (!(Math.abs(found - expected) <= LIMIT * (own + reference))) {
        return { stats, token, found, expected };
      }
    }
  }
  return null;
}

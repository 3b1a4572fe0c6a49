import type { Finding, Row } from '../types.js';
import { compareRows, worst } from './order.js';

/**
 * What fp32 rounding explains: relative L2 (no unit) up to this, of one layer's attention or of a whole stream.
 * An fp32 has 2⁻²⁴ ≈ 6e-8 of relative rounding; sums over some thousand terms stay below a hundred times that.
 */
export const ROUNDING = 1e-5;

/**
 * The finding on how far one implementation parts from the reference, from its relative L2 (relL2) on valid tokens.
 * `local` is the worst attention row of the local scope, `accumulated` the worst row of the accumulated scope:
 * - `identical`: maxAbs is exactly 0 in every row, of every kind
 * - `local-divergence`: local > ROUNDING; names the first layer that does so
 * - `propagation-only`: local ≤ ROUNDING < accumulated; names the worst place of the stream
 * - `within-rounding`: both ≤ ROUNDING
 *
 * Where a row on valid tokens is NaN, only `local-divergence` can be said, from the rows that are not.
 *
 * @param rows all rows of one implementation that is not the reference
 */
export function divergenceFindings(rows: readonly Row[]): Finding[] {
  const valid = rows.filter((row) => row.kind === 'valid').toSorted(compareRows);
  const implementation = valid[0]?.implementation;
  if (implementation === undefined) return [];
  if (rows.every((row) => row.maxAbs === 0)) return [{ code: 'identical', implementation }];

  const local = valid.filter((row) => row.scope === 'local');
  const accumulated = valid.filter((row) => row.scope === 'accumulated');
  const parted = local.find((row) => row.relL2 > ROUNDING && row.nan + row.inf === 0);
  if (parted) {
    const { layer, batch, relL2, firstToken } = parted;
    return [
      { code: 'local-divergence', implementation, layer: layer ?? 0, batch, relL2, limit: ROUNDING, firstToken },
    ];
  }

  const localRelL2 = worst(local.map((row) => row.relL2));
  const accumulatedRelL2 = worst(accumulated.map((row) => row.relL2));
  if (!(localRelL2 <= ROUNDING) || Number.isNaN(accumulatedRelL2)) return [];
  const place = accumulated.find((row) => row.relL2 === accumulatedRelL2);
  if (accumulatedRelL2 > ROUNDING && place) {
    const { layer, tap } = place;
    return [{ code: 'propagation-only', implementation, localRelL2, accumulatedRelL2, layer, tap }];
  }
  return [{ code: 'within-rounding', implementation, localRelL2, accumulatedRelL2, limit: ROUNDING }];
}

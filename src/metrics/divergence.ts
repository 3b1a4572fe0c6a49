import type { Finding, KernelClaim, Precision, Row } from '../types.js';
import { compareRows, worst } from './order.js';
import { kernelRows } from './padding.js';

/**
 * What rounding explains, by precision: relative L2 (no unit) up to this, of one layer's attention or of a whole
 * stream. An fp32 has 2⁻²⁴ ≈ 6e-8 of relative rounding; sums over some thousand terms stay below a hundred times
 * that. fp16, bf16 and int8: four roundings to 11 bits (2⁻¹¹ each), to 8 bits (2⁻⁸ each), and to 1/255 of a tensor's range.
 */
export const ROUNDING: Readonly<Record<Precision, number>> = {
  fp64: 1e-5,
  fp32: 1e-5,
  fp16: 2 ** -9,
  bf16: 2 ** -6,
  int8: 2 ** -5,
};

/** What rounding explains of one implementation's difference from the reference. */
export interface RoundingLimits {
  /** On the same Q, K, V: the two kernels' own rounding. */
  local: number;
  /** In its own stream: that, and the rounding of everything between. */
  accumulated: number;
}

export const FP32_LIMITS: RoundingLimits = { local: ROUNDING.fp32, accumulated: ROUNDING.fp32 };

/**
 * The finding on how far one implementation parts from the reference, from its relative L2 (relL2) on valid tokens.
 * `local` is the worst attention row of the local scope, `accumulated` the worst row of the accumulated scope:
 * - `identical`: maxAbs is exactly 0 in every row, of every kind
 * - `local-divergence`: local > limits.local; names the first layer that does so
 * - `propagation-only`: local ≤ limits.local, but accumulated > limits.accumulated; names the worst place of the stream,
 *   and what is known of the kernels
 * - `within-rounding`: both within their limits
 *
 * Where a row on valid tokens is NaN, only `local-divergence` can be said, from the rows that are not.
 *
 * @param rows all rows of one implementation that is not the reference
 * @param referenceRows all rows of the reference
 */
export function divergenceFindings(
  rows: readonly Row[],
  limits: RoundingLimits,
  referenceRows: readonly Row[],
): Finding[] {
  const valid = rows.filter((row) => row.kind === 'valid').toSorted(compareRows);
  const implementation = valid[0]?.implementation;
  if (implementation === undefined) return [];
  if (rows.every((row) => row.maxAbs === 0)) return [{ code: 'identical', implementation }];

  const local = valid.filter((row) => row.scope === 'local');
  const accumulated = valid.filter((row) => row.scope === 'accumulated');
  const parted = local.find((row) => row.relL2 > limits.local && row.nan + row.inf === 0);
  if (parted) {
    const { layer, batch, relL2, firstToken } = parted;
    return [
      {
        code: 'local-divergence',
        implementation,
        layer: layer ?? 0,
        batch,
        relL2,
        limit: limits.local,
        firstToken,
      },
    ];
  }

  const localRelL2 = worst(local.map((row) => row.relL2));
  const accumulatedRelL2 = worst(accumulated.map((row) => row.relL2));
  if (!(localRelL2 <= limits.local) || Number.isNaN(accumulatedRelL2)) return [];
  const place = accumulated.find((row) => row.relL2 === accumulatedRelL2);
  if (accumulatedRelL2 > limits.accumulated && place) {
    const { layer, tap } = place;
    return [
      {
        code: 'propagation-only',
        implementation,
        localRelL2,
        accumulatedRelL2,
        layer,
        tap,
        kernels: kernelClaim(rows, referenceRows, limits),
      },
    ];
  }
  return [
    {
      code: 'within-rounding',
      implementation,
      localRelL2,
      accumulatedRelL2,
      limit: limits.accumulated,
    },
  ];
}

/** The file's own nodes are no kernel that another run could choose: what they share with the reference shows nowhere. */
const OWN_NODES = /^original\b/;

/** That no kernel is to blame follows only where both are right by themselves: within rounding of exact on the same Q, K, V. */
function kernelClaim(
  rows: readonly Row[],
  referenceRows: readonly Row[],
  limits: RoundingLimits,
): KernelClaim {
  if (
    [rows, referenceRows].some(([row]) => row === undefined || OWN_NODES.test(row.implementation))
  )
    return 'own-nodes';
  const errors = [rows, referenceRows].flatMap((own) =>
    kernelRows(own)
      .filter(({ kind }) => kind === 'valid')
      .map(({ exactRelL2 }) => exactRelL2),
  );
  return errors.every((error) => error <= limits.local) ? 'right' : 'far-from-exact';
}

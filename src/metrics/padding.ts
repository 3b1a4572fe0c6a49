import type { Finding, Row } from '../types.js';

/**
 * The rows of the attention tap that show what a kernel itself writes: the local scope, and the accumulated where
 * there is none (the reference, whose local run is its own stream).
 *
 * @param rows rows of one implementation
 */
export function kernelRows(rows: readonly Row[]): Row[] {
  const attention = rows.filter((row) => row.tap === 'attention');
  const local = attention.filter((row) => row.scope === 'local');
  return local.length > 0 ? local : attention;
}

/**
 * The finding that one of two implementations writes all-zero attention rows on padding (fully masked rows included)
 * where the other does not. Counts are tokens over all batches, at the layer where the two differ most.
 *
 * @param rows all rows of the implementation
 * @param referenceRows all rows of the reference
 */
export function paddingFindings(rows: readonly Row[], referenceRows: readonly Row[]): Finding[] {
  const implementation = rows[0]?.implementation;
  const reference = referenceRows[0]?.implementation;
  if (implementation === undefined || reference === undefined) return [];

  const own = zeroRowsByLayer(rows);
  const other = zeroRowsByLayer(referenceRows);
  let found: Finding | null = null;
  let most = 0;
  for (const [layer, { zeroRows, tokens }] of own) {
    const referenceZeroRows = other.get(layer)?.zeroRows ?? 0;
    const difference = Math.abs(zeroRows - referenceZeroRows);
    if (difference <= most) continue;
    most = difference;
    found = {
      code: 'padding-by-design',
      implementation,
      zeroRows,
      reference,
      referenceZeroRows,
      tokens,
    };
  }
  return found ? [found] : [];
}

function zeroRowsByLayer(
  rows: readonly Row[],
): Map<number | null, { zeroRows: number; tokens: number }> {
  const layers = new Map<number | null, { zeroRows: number; tokens: number }>();
  for (const row of kernelRows(rows)) {
    if (row.kind === 'valid') continue;
    const sum = layers.get(row.layer) ?? { zeroRows: 0, tokens: 0 };
    layers.set(row.layer, {
      zeroRows: sum.zeroRows + row.zeroRows,
      tokens: sum.tokens + row.tokens,
    });
  }
  return layers;
}

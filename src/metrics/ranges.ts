import type { RangeRow } from '../types.js';

/** The largest finite float16. */
const FP16_MAX = 65504;

/** What is known of one query head (or of several) over a batch: sums and maxima as buildRangeProbe defines them. */
export interface RangeSums {
  maxScore: number;
  maxKey: number;
  entropySum: number;
  rowSumError: number;
  zeros: number;
  pairs: number;
  weightsL2Sum: number;
  queries: number;
}

type Ranges = Omit<RangeRow, 'batch' | 'layer' | 'head'>;

/**
 * One row for all heads of a layer, then one for each head: maxima over heads, means over heads and queries, shares
 * over heads, queries and keys. scaledScore is maxScore · |scale|. A NaN of one head is NaN in the row for all. headroom is 65504 / maxScore: Infinity
 * where every score is 0, 0 where one is infinite. underflow is NaN where a probability is.
 *
 * @param heads sums by query head
 * @param scale what the layer multiplies QKᵀ by
 * @returns no row where no valid query may look at a key, and none for a head of which that is true
 */
export function rangeRows(
  batch: string,
  layer: number,
  heads: readonly RangeSums[],
  scale: number,
): RangeRow[] {
  const each = heads.flatMap((sums, head) =>
    sums.queries === 0 ? [] : [{ batch, layer, head, ...rangesOf(sums, scale) }],
  );
  if (each.length === 0) return [];
  return [{ batch, layer, head: null, ...rangesOf(heads.reduce(merged), scale) }, ...each];
}

function rangesOf(
  { maxScore, maxKey, entropySum, rowSumError, zeros, pairs, weightsL2Sum, queries }: RangeSums,
  scale: number,
): Ranges {
  return {
    maxScore,
    scaledScore: maxScore * Math.abs(scale),
    headroom: FP16_MAX / maxScore,
    maxKey,
    entropy: entropySum / queries,
    rowSumError,
    underflow: Number.isNaN(entropySum) ? NaN : zeros / pairs,
    weightsL2: weightsL2Sum / queries,
  };
}

function merged(a: RangeSums, b: RangeSums): RangeSums {
  return {
    maxScore: Math.max(a.maxScore, b.maxScore),
    maxKey: Math.max(a.maxKey, b.maxKey),
    entropySum: a.entropySum + b.entropySum,
    rowSumError: Math.max(a.rowSumError, b.rowSumError),
    zeros: a.zeros + b.zeros,
    pairs: a.pairs + b.pairs,
    weightsL2Sum: a.weightsL2Sum + b.weightsL2Sum,
    queries: a.queries + b.queries,
  };
}

/**
 * One row per layer and head over all batches, by layer, then the row for all heads, then each head: the largest of
 * maxScore, scaledScore, maxKey and rowSumError, the least headroom, and the mean over batches, each counted alike, of entropy,
 * weightsL2 and underflow. A NaN of one batch is NaN here.
 */
export function overBatches(rows: readonly RangeRow[]): Omit<RangeRow, 'batch'>[] {
  const places = new Map<string, RangeRow[]>();
  for (const row of rows) {
    const key = `${row.layer}/${row.head}`;
    places.set(key, [...(places.get(key) ?? []), row]);
  }
  return [...places.values()]
    .map(worstOf)
    .toSorted((a, b) => a.layer - b.layer || (a.head ?? -1) - (b.head ?? -1));
}

function worstOf(rows: RangeRow[]): Omit<RangeRow, 'batch'> {
  const { layer, head } = rows[0]!;
  const of = (field: keyof Ranges): number[] => rows.map((row) => row[field]);
  const mean = (field: keyof Ranges): number =>
    of(field).reduce((sum, value) => sum + value, 0) / rows.length;
  return {
    layer,
    head,
    maxScore: Math.max(...of('maxScore')),
    scaledScore: Math.max(...of('scaledScore')),
    headroom: Math.min(...of('headroom')),
    maxKey: Math.max(...of('maxKey')),
    entropy: mean('entropy'),
    rowSumError: Math.max(...of('rowSumError')),
    underflow: mean('underflow'),
    weightsL2: mean('weightsL2'),
  };
}

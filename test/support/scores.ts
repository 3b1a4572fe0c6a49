import type { Batch, NonFiniteOrigin, TensorData } from '../../src/types.js';

/** To nearest, ties to even, to so many bits; for numbers neither tiny nor beyond the range. */
function toBits(x: number, bits: number): number {
  if (x === 0) return 0;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(x))) + 1 - bits);
  const [down, rest] = [Math.floor(x / unit), x / unit - Math.floor(x / unit)];
  return (rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down) * unit;
}

export interface Scores {
  query: TensorData;
  key: TensorData;
  batch: Batch;
  /** Significant bits that Q and K are rounded to. */
  bits: number;
  /** What each partial sum is rounded to; nothing where not given. */
  round?: (sum: number) => number;
}

/** QKᵀ, query head h being served by key head h div (H/Hkv). */
function scoreAt(
  { query, key, bits, round = (sum) => sum }: Scores,
  b: number,
  h: number,
  q: number,
  k: number,
): number {
  const [, heads, length, headDim] = query.dims as [number, number, number, number];
  const kvHeads = key.dims[1]!;
  const kv = Math.floor(h / (heads / kvHeads));
  let sum = 0;
  for (let d = 0; d < headDim; d++) {
    sum = round(
      sum +
        toBits(Number(query.data[((b * heads + h) * length + q) * headDim + d]), bits) *
          toBits(Number(key.data[((b * kvHeads + kv) * length + k) * headDim + d]), bits),
    );
  }
  return sum;
}

/** The first place, in flat order, of a score of a valid query that a test holds for. */
export function firstScore(
  scores: Scores,
  isIt: (score: number, q: number, k: number, b: number) => boolean,
): Pick<NonFiniteOrigin, 'row' | 'head' | 'query' | 'key'> | null {
  const { batch } = scores;
  for (let b = 0; b < batch.size; b++) {
    for (let h = 0; h < scores.query.dims[1]!; h++) {
      for (let q = 0; q < batch.length; q++) {
        if (batch.kinds[b * batch.length + q] !== 'valid') continue;
        for (let k = 0; k < batch.length; k++)
          if (isIt(scoreAt(scores, b, h, q, k), q, k, b))
            return { row: b, head: h, query: q, key: k };
      }
    }
  }
  return null;
}

/** Half of the distance from 65504 to the next number that fp16 would have, were its range larger. */
export const FP16_LIMIT = 65520;
/** Whether a key is after the query or padding. */
export const isMasked = (batch: Batch, b: number, q: number, k: number): boolean =>
  k > q || batch.attentionMask[b * batch.length + k] !== 1n;

import type { Batch } from '../types.js';

/** The part of a batch that its masks are made of. */
export type Padded = Pick<Batch, 'size' | 'length' | 'attentionMask'>;

/**
 * Which keys each query may look at: k ≤ q, attention_mask[b, k] = 1, and q − k < window.
 *
 * @param window sliding window in tokens, the query's own included; null without
 * @returns uint8 [B, 1, S, S], 1 where query q may look at key k
 */
export function allowedMask(batch: Padded, window: number | null): Uint8Array {
  const { size, length, attentionMask } = batch;
  const mask = new Uint8Array(size * length * length);
  for (let b = 0; b < size; b++) {
    for (let q = 0; q < length; q++) {
      const row = (b * length + q) * length;
      for (let k = firstKey(q, window); k <= q; k++) {
        if (attentionMask[b * length + k] === 1n) mask[row + k] = 1;
      }
    }
  }
  return mask;
}

/**
 * Whether a query may look at any key at all; 0 marks the fully masked rows. The rows of {@link allowedMask}
 * reduced by `any`, without building it.
 *
 * @returns uint8 [B, 1, S, 1]
 */
export function rowHasKey(batch: Padded, window: number | null): Uint8Array {
  const { size, length, attentionMask } = batch;
  const has = new Uint8Array(size * length);
  for (let b = 0; b < size; b++) {
    let lastValid = -1;
    for (let q = 0; q < length; q++) {
      if (attentionMask[b * length + q] === 1n) lastValid = q;
      if (lastValid >= firstKey(q, window)) has[b * length + q] = 1;
    }
  }
  return has;
}

function firstKey(q: number, window: number | null): number {
  return window === null ? 0 : Math.max(0, q - window + 1);
}

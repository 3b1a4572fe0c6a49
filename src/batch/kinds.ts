import type { TokenKind } from '../types.js';
import { PLAIN_MASK, rowHasKey, type Masked } from './masks.js';

/**
 * The kind of every token, [B·S]: `fullyMasked` where its query may look at no key under the batch's own mask (in no
 * head), whatever attention_mask says; else `valid` where attention_mask is 1, and `padding` where it is 0.
 *
 * @param causal whether queries attend to no later token
 */
export function tokenKinds(batch: Masked, causal = true): TokenKind[] {
  const { length, attentionMask } = batch;
  const { dims, data } = rowHasKey(batch, { ...PLAIN_MASK, causal });
  const heads = dims[1] ?? 1;
  return Array.from(attentionMask, (bit, i) => {
    const first = Math.floor(i / length) * heads * length + (i % length);
    for (let h = 0; h < heads; h++) {
      if (data[first + h * length] === 1) return bit === 1n ? 'valid' : 'padding';
    }
    return 'fullyMasked';
  });
}

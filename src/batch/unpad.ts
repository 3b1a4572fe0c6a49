import { AttnDiffError } from '../errors.js';
import type { Padded } from './masks.js';

/** Indices into the flattened [B·S] tokens of a batch, and of the same batch unpadded to the right. */
export interface UnpadIndices {
  /**
   * int64 [B·S]: slot b·S + j of the unpadded batch takes token gather[b·S + j], the j-th valid token of row b.
   * The slots behind the last valid token repeat the row's first one: real numbers that nobody looks at.
   */
  gather: BigInt64Array;
  /** int64 [B·S]: token b·S + s comes back from slot scatter[b·S + s]; padding from slot B·S, a zero row appended at the end. */
  scatter: BigInt64Array;
  /** int32 [B]: GroupQueryAttention's seqlens_k, valid tokens − 1. */
  seqlensK: Int32Array;
}

/**
 * Where the valid tokens of a batch go when its padding is taken out, and where they come back from,
 * as flash_attention_2's unpad_input and pad_input do. Works for padding on any side, and in the middle.
 *
 * @throws AttnDiffError prompt-no-tokens where a row has no valid token
 */
export function unpadIndices(batch: Padded): UnpadIndices {
  const { size, length, attentionMask } = batch;
  const gather = new BigInt64Array(size * length);
  const scatter = new BigInt64Array(size * length).fill(BigInt(size * length));
  const seqlensK = new Int32Array(size);
  for (let b = 0; b < size; b++) {
    const start = b * length;
    let valid = 0;
    for (let s = 0; s < length; s++) {
      if (attentionMask[start + s] !== 1n) continue;
      gather[start + valid] = BigInt(start + s);
      scatter[start + s] = BigInt(start + valid);
      valid += 1;
    }
    const first = gather[start];
    if (valid === 0 || first === undefined) throw new AttnDiffError('prompt-no-tokens', { prompt: `#${b + 1}` });
    gather.fill(first, start + valid, start + length);
    seqlensK[b] = valid - 1;
  }
  return { gather, scatter, seqlensK };
}

import { AttnDiffError } from '../errors.js';
import type { Masked } from './masks.js';

/** Indices into the flattened [B·S'] tokens of a batch's columns, and into the same tokens unpadded to [R, L]. */
export interface UnpadIndices {
  /**
   * int64 [R·L]: slot r·L + j of the unpadded batch takes token gather[r·L + j], the j-th valid token of segment r.
   * The slots behind the last valid token repeat the segment's first one: real numbers that nobody looks at.
   */
  gather: BigInt64Array;
  /** int64 [B·S']: token b·S' + s comes back from slot scatter[b·S' + s]; padding from slot R·L, a zero row appended at the end. */
  scatter: BigInt64Array;
  /** int32 [R]: GroupQueryAttention's seqlens_k, valid tokens − 1. */
  seqlensK: Int32Array;
  /** R: the rows of the batch, or, where documents share rows, the documents of all rows. */
  rows: number;
  /** L: S', or the tokens of the longest document. */
  length: number;
}

/**
 * Where the valid tokens of a batch go when its padding is taken out, and where they come back from,
 * as flash_attention_2's unpad_input and pad_input do. Works for padding on any side, and in the middle. Documents
 * that share a row become rows of their own, so that a causal kernel for rows of unequal lengths keeps them apart.
 *
 * @param columns the part of every row to look at, `to` exclusive; tokens count from 0 within it
 * @throws AttnDiffError prompt-no-tokens where a row has no valid token there
 */
export function unpadIndices(
  batch: Pick<Masked, 'size' | 'length' | 'attentionMask' | 'documents'>,
  columns: { from: number; to: number } = { from: 0, to: batch.length },
): UnpadIndices {
  const width = columns.to - columns.from;
  const segments = Array.from({ length: batch.size }, (_, b) =>
    rowSegments(batch, b, columns),
  ).flat();
  const rows = segments.length;
  const length =
    batch.documents === null
      ? width
      : segments.reduce((longest, tokens) => Math.max(longest, tokens.length), 0);
  const gather = new BigInt64Array(rows * length);
  const scatter = new BigInt64Array(batch.size * width).fill(BigInt(rows * length));
  for (const [r, tokens] of segments.entries()) {
    gather.fill(BigInt(tokens[0]!), r * length, (r + 1) * length);
    for (const [j, token] of tokens.entries()) {
      gather[r * length + j] = BigInt(token);
      scatter[token] = BigInt(r * length + j);
    }
  }
  return {
    gather,
    scatter,
    seqlensK: Int32Array.from(segments, (tokens) => tokens.length - 1),
    rows,
    length,
  };
}

/** The valid tokens of one row, by document in the order in which the documents begin. */
function rowSegments(
  { length, attentionMask, documents }: Parameters<typeof unpadIndices>[0],
  b: number,
  { from, to }: { from: number; to: number },
): number[][] {
  const segments = new Map<number, number[]>();
  for (let s = from; s < to; s++) {
    if (attentionMask[b * length + s] !== 1n) continue;
    const document = documents?.[b * length + s] ?? 0;
    const tokens = segments.get(document) ?? [];
    tokens.push(b * (to - from) + s - from);
    segments.set(document, tokens);
  }
  if (segments.size === 0) throw new AttnDiffError('prompt-no-tokens', { prompt: `#${b + 1}` });
  return [...segments.values()];
}

/** A batch without padding: its rows' valid tokens one after another (documents of a row as rows of their own). */
export interface PackedIndices {
  /** int64 [t]: the flat index of each valid token. */
  gather: BigInt64Array;
  /** int64 [B·S]: where each token went; t on padding. */
  scatter: BigInt64Array;
  /** int32 [R+1]: where each row begins, and t: flash_attn's cu_seqlens. */
  starts: Int32Array;
  rows: number;
}

/**
 * Where the valid tokens of a batch go when they are packed.
 *
 * @throws AttnDiffError prompt-no-tokens where a row has no valid token
 */
export function packIndices(batch: Parameters<typeof unpadIndices>[0]): PackedIndices {
  const segments = Array.from({ length: batch.size }, (_, b) =>
    rowSegments(batch, b, { from: 0, to: batch.length }),
  ).flat();
  const tokens = segments.flat();
  const scatter = new BigInt64Array(batch.size * batch.length).fill(BigInt(tokens.length));
  for (const [slot, token] of tokens.entries()) scatter[token] = BigInt(slot);
  const starts = new Int32Array(segments.length + 1);
  for (const [r, segment] of segments.entries()) starts[r + 1] = starts[r]! + segment.length;
  return { gather: BigInt64Array.from(tokens, BigInt), scatter, starts, rows: segments.length };
}

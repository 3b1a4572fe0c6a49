import { AttnDiffError } from '../errors.js';
import type { Batch, PaddingSide } from '../types.js';
import { tokenKinds } from './kinds.js';
import type { Masked } from './masks.js';

export interface BatchOptions {
  padding: PaddingSide;
  padTokenId: number;
  source: string;
  name: string;
  /** Tokens of each row that are prefilled; 0, the default, for one pass. */
  past?: number;
  /** Whether the model attends to no later token, as by default. */
  causal?: boolean;
}

export interface BatchParts extends BatchOptions {
  /** Token ids, one list per row. */
  sequences: readonly number[][];
  /** Tokens per row; null for the longest sequence. Longer sequences keep their first tokens. */
  length: number | null;
}

export interface PackedParts extends BatchOptions {
  /** Token ids, one list per document of each row, as packRows makes them. */
  rows: readonly number[][][];
  /** Tokens per row. */
  length: number;
}

/**
 * Pads (and truncates) sequences into one batch [B, S], as Hugging Face's tokenizers do.
 * position_ids = cumsum(attention_mask) − 1, and 1 on padding.
 *
 * @throws AttnDiffError prompt-no-tokens where a sequence is empty
 */
export function buildBatch({ sequences, length, ...options }: BatchParts): Batch {
  const empty = sequences.findIndex((ids) => ids.length === 0);
  if (empty !== -1) throw new AttnDiffError('prompt-no-tokens', { prompt: `#${empty + 1}` });
  const width = length ?? sequences.reduce((longest, ids) => Math.max(longest, ids.length), 0);
  return fill(
    sequences.map((ids) => [ids.slice(0, width)]),
    width,
    options,
    null,
  );
}

/**
 * Pads rows of several documents into one batch [B, S]. position_ids restart at every document, and are 1 on padding;
 * documents are numbered from 0 in each row.
 */
export function buildPackedBatch({ rows, length, ...options }: PackedParts): Batch {
  return fill(rows, length, options, new Int32Array(rows.length * length).fill(-1));
}

function fill(
  rows: readonly number[][][],
  length: number,
  { padding, padTokenId, source, name, past = 0, causal = true }: BatchOptions,
  documents: Int32Array | null,
): Batch {
  const size = rows.length;
  const inputIds = new BigInt64Array(size * length).fill(BigInt(padTokenId));
  const attentionMask = new BigInt64Array(size * length);
  const positionIds = new BigInt64Array(size * length).fill(1n);
  for (const [b, row] of rows.entries()) {
    const tokens = row.reduce((sum, ids) => sum + ids.length, 0);
    let next = b * length + (padding === 'left' ? length - tokens : 0);
    for (const [number, ids] of row.entries()) {
      inputIds.set(ids.map(BigInt), next);
      attentionMask.fill(1n, next, next + ids.length);
      positionIds.set(
        ids.map((_, position) => BigInt(position)),
        next,
      );
      documents?.fill(number, next, next + ids.length);
      next += ids.length;
    }
  }
  const masked: Masked = { size, length, attentionMask, documents, mask: null, past };
  return {
    name,
    padding,
    ...masked,
    inputIds,
    positionIds,
    kinds: tokenKinds(masked, causal),
    source,
  };
}

import { AttnDiffError } from '../errors.js';
import type { Batch, PaddingSide, TokenKind } from '../types.js';
import type { Padded } from './masks.js';
import { rowHasKey } from './masks.js';

export interface BatchParts {
  /** Token ids, one list per row. */
  sequences: number[][];
  padding: PaddingSide;
  padTokenId: number;
  /** Tokens per row; null for the longest sequence. Longer sequences keep their first tokens. */
  length: number | null;
  source: string;
  name: string;
}

/**
 * Pads (and truncates) sequences into one batch [B, S], as Hugging Face's tokenizers do.
 * position_ids = cumsum(attention_mask) − 1, and 1 on padding.
 *
 * @throws AttnDiffError prompt-no-tokens where a sequence is empty
 */
export function buildBatch({ sequences, padding, padTokenId, length, source, name }: BatchParts): Batch {
  const size = sequences.length;
  const width = length ?? sequences.reduce((longest, ids) => Math.max(longest, ids.length), 0);
  const inputIds = new BigInt64Array(size * width).fill(BigInt(padTokenId));
  const attentionMask = new BigInt64Array(size * width);
  for (const [b, sequence] of sequences.entries()) {
    if (sequence.length === 0) throw new AttnDiffError('prompt-no-tokens', { prompt: `#${b + 1}` });
    const ids = sequence.slice(0, width);
    const start = b * width + (padding === 'left' ? width - ids.length : 0);
    inputIds.set(ids.map(BigInt), start);
    attentionMask.fill(1n, start, start + ids.length);
  }
  const padded: Padded = { size, length: width, attentionMask };
  return { name, padding, ...padded, inputIds, positionIds: positionIds(padded), kinds: tokenKinds(padded), source };
}

function positionIds({ size, length, attentionMask }: Padded): BigInt64Array {
  const positions = new BigInt64Array(size * length).fill(1n);
  for (let b = 0; b < size; b++) {
    let next = 0n;
    for (let i = b * length; i < (b + 1) * length; i++) {
      if (attentionMask[i] === 1n) positions[i] = next++;
    }
  }
  return positions;
}

function tokenKinds(padded: Padded): TokenKind[] {
  const has = rowHasKey(padded, null);
  return Array.from(padded.attentionMask, (bit, i) => {
    if (bit === 1n) return 'valid';
    return has[i] === 1 ? 'padding' : 'fullyMasked';
  });
}

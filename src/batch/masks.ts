import type { Batch, BatchMask, MaskSpec } from '../types.js';

/** The part of a batch that its masks are made of. */
export type Masked = Pick<
  Batch,
  'size' | 'length' | 'attentionMask' | 'documents' | 'mask' | 'past'
>;

/** A boolean tensor, one byte per element. */
export interface BoolTensor {
  dims: readonly number[];
  data: Uint8Array;
}

/** The batch's own mask: causal, padded and packed as it is, without a window. */
export const PLAIN_MASK: MaskSpec = {
  window: null,
  causal: true,
  padding: 'as given',
  alignment: 'bottom-right',
  shift: 0,
};

/**
 * Which keys each query may look at. Where the batch brings a 4D mask, that mask as it is, as Hugging Face uses one;
 * of the spec only `shift` counts then. Else query q may look at key k where all of these hold:
 *
 * - causal: k ≤ q; with alignment `top-left`, k ≤ q − past for the decoded queries q ≥ past;
 * - attention_mask[b, k] = 1; with padding `flipped`, attention_mask[b, S − 1 − k] = 1;
 * - q − k < window;
 * - k is of q's document.
 *
 * With a shift of s, query q has the row of query min(max(q + s, 0), S − 1).
 *
 * @returns [B, 1|H, S, S], 1 where query q may look at key k; H only where the 4D mask has heads
 */
export function allowedMask(batch: Masked, spec: MaskSpec): BoolTensor {
  if (batch.mask) return ownMask(batch, batch.mask, spec);
  const { size, length } = batch;
  const data = new Uint8Array(size * length * length);
  for (let b = 0; b < size; b++) {
    const visible = visibleKeys(batch, b, spec);
    const documents = rowDocuments(batch, b);
    for (let q = 0; q < length; q++) {
      const source = shifted(q, spec.shift, length);
      const { from, to } = keyRange(source, batch, spec);
      const row = (b * length + q) * length;
      for (let k = from; k <= to; k++) {
        if (visible[k] === 1 && (documents === null || documents[k] === documents[source]))
          data[row + k] = 1;
      }
    }
  }
  return { dims: [size, 1, length, length], data };
}

/**
 * Whether a query may look at any key at all; 0 marks the fully masked rows. The rows of {@link allowedMask} reduced
 * by `any`, without building it.
 *
 * @returns [B, 1|H, S, 1]
 */
export function rowHasKey(batch: Masked, spec: MaskSpec): BoolTensor {
  if (batch.mask) return ownRows(batch, batch.mask, spec);
  const { size, length } = batch;
  const data = new Uint8Array(size * length);
  for (let b = 0; b < size; b++) {
    const visible = visibleKeys(batch, b, spec);
    const documents = rowDocuments(batch, b);
    const latest = latestKeys(visible);
    for (let q = 0; q < length; q++) {
      const source = shifted(q, spec.shift, length);
      const { from, to } = keyRange(source, batch, spec);
      const sameDocument = (key: number): boolean =>
        documents === null || documents[key] === documents[source];
      let key = latest[to] ?? -1;
      while (key >= from && !sameDocument(key)) key = latest[key - 1] ?? -1;
      if (key >= from) data[b * length + q] = 1;
    }
  }
  return { dims: [size, 1, length, 1], data };
}

/** Keys of row b that padding leaves visible, uint8 [S]. */
function visibleKeys(
  { length, attentionMask }: Masked,
  b: number,
  { padding }: MaskSpec,
): Uint8Array {
  if (padding === 'ignored') return new Uint8Array(length).fill(1);
  const visible = Uint8Array.from(attentionMask.subarray(b * length, (b + 1) * length), Number);
  return padding === 'flipped' ? visible.toReversed() : visible;
}

function rowDocuments({ length, documents }: Masked, b: number): Int32Array | null {
  return documents?.subarray(b * length, (b + 1) * length) ?? null;
}

/** The greatest visible key up to each key, −1 for none. */
function latestKeys(visible: Uint8Array): Int32Array {
  let latest = -1;
  return Int32Array.from(visible, (bit, k) => {
    if (bit === 1) latest = k;
    return latest;
  });
}

/** First and last key that the window and causality leave to a query; last < first for none. */
function keyRange(
  q: number,
  { length, past }: Masked,
  { window, causal, alignment }: MaskSpec,
): { from: number; to: number } {
  const from = window === null ? 0 : Math.max(0, q - window + 1);
  if (!causal) return { from, to: length - 1 };
  return { from, to: alignment === 'top-left' && q >= past ? q - past : q };
}

function shifted(q: number, shift: number, length: number): number {
  return Math.min(Math.max(q + shift, 0), length - 1);
}

/** A 4D mask with one entry for each row of the batch. */
function ownMask({ size, length }: Masked, mask: BatchMask, { shift }: MaskSpec): BoolTensor {
  const [rows, heads] = mask.dims;
  const data = new Uint8Array(size * heads * length * length);
  for (let plane = 0; plane < size * heads; plane++) {
    const start = (rows === 1 ? plane % heads : plane) * length;
    for (let q = 0; q < length; q++) {
      const source = (start + shifted(q, shift, length)) * length;
      data.set(mask.allowed.subarray(source, source + length), (plane * length + q) * length);
    }
  }
  return { dims: [size, heads, length, length], data };
}

function ownRows({ size, length }: Masked, mask: BatchMask, { shift }: MaskSpec): BoolTensor {
  const [rows, heads] = mask.dims;
  const data = new Uint8Array(size * heads * length);
  for (let plane = 0; plane < size * heads; plane++) {
    const start = (rows === 1 ? plane % heads : plane) * length;
    for (let q = 0; q < length; q++) {
      const source = (start + shifted(q, shift, length)) * length;
      if (mask.allowed.subarray(source, source + length).includes(1)) data[plane * length + q] = 1;
    }
  }
  return { dims: [size, heads, length, 1], data };
}

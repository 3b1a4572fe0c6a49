import type { Masked } from '../../src/batch/masks.js';
import type { MaskSpec } from '../../src/types.js';

/** Whether query q of row b may look at key k in head h, one condition after another. */
export function mayLook(
  { size, length, attentionMask, documents, mask, past }: Masked,
  spec: MaskSpec,
  [b, h, q, k]: readonly [number, number, number, number],
): boolean {
  let row = q + spec.shift;
  if (row < 0) row = 0;
  if (row > length - 1) row = length - 1;
  if (mask !== null) {
    const [maskRows, maskHeads] = mask.dims;
    const at = [maskRows === size ? b : 0, maskHeads === 1 ? 0 : h, row, k];
    return mask.allowed[((at[0]! * maskHeads + at[1]!) * length + at[2]!) * length + at[3]!] === 1;
  }
  if (spec.causal) {
    const decoded = row >= past;
    const last = spec.alignment === 'top-left' && decoded ? row - past : row;
    if (k > last) return false;
  }
  if (spec.padding === 'as given' && attentionMask[b * length + k] === 0n) return false;
  if (spec.padding === 'flipped' && attentionMask[b * length + (length - 1 - k)] === 0n)
    return false;
  if (spec.window !== null && row - k >= spec.window) return false;
  return documents === null || documents[b * length + row] === documents[b * length + k];
}

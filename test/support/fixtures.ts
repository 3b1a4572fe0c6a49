import { fileURLToPath } from 'node:url';
import { readSafetensors, type SafeTensor } from './safetensors.js';
import { tokenKinds } from '../../src/batch/kinds.js';
import type { Batch, PaddingSide } from '../../src/types.js';

/** The four exports of one trained model; see fixtures/README.md. */
export const FIXTURES = [
  'qwen2-optimum',
  'qwen2-optimum-eager',
  'qwen2-dynamo',
  'qwen2-eager-inf',
] as const;

export function fixture(...path: string[]): string {
  return fileURLToPath(new URL(`../../fixtures/${path.join('/')}`, import.meta.url));
}

/**
 * Hugging Face's inputs and outputs for one padding side, and the batch as attn-diff would make it from those.
 *
 * @param file of another model than FIXTURES' (`head64`)
 */
export function reference(
  padding: PaddingSide,
  file: string = padding,
): { tensors: Map<string, SafeTensor>; batch: Batch } {
  const tensors = readSafetensors(fixture('reference', `${file}.safetensors`));
  const ids = tensors.get('input_ids')!;
  const [size, length] = ids.shape as [number, number];
  const attentionMask = tensors.get('attention_mask')!.data as BigInt64Array;
  const masked = { size, length, attentionMask, documents: null, mask: null, past: 0 };
  const batch: Batch = {
    ...masked,
    name: padding,
    padding,
    inputIds: ids.data as BigInt64Array,
    positionIds: tensors.get('position_ids')!.data as BigInt64Array,
    kinds: tokenKinds(masked),
    source: 'reference',
  };
  return { tensors, batch };
}

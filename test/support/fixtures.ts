import { fileURLToPath } from 'node:url';
import { readSafetensors, type SafeTensor } from './safetensors.js';
import { rowHasKey } from '../../src/batch/index.js';
import type { Batch, PaddingSide } from '../../src/types.js';

/** The four exports of one trained model; see fixtures/README.md. */
export const FIXTURES = ['qwen2-optimum', 'qwen2-optimum-eager', 'qwen2-dynamo', 'qwen2-eager-inf'] as const;

export function fixture(...path: string[]): string {
  return fileURLToPath(new URL(`../../fixtures/${path.join('/')}`, import.meta.url));
}

/** Hugging Face's inputs and outputs for one padding side, and the batch as attn-diff would make it from those. */
export function reference(padding: PaddingSide): { tensors: Map<string, SafeTensor>; batch: Batch } {
  const tensors = readSafetensors(fixture('reference', `${padding}.safetensors`));
  const ids = tensors.get('input_ids')!;
  const [size, length] = ids.shape as [number, number];
  const attentionMask = tensors.get('attention_mask')!.data as BigInt64Array;
  const hasKey = rowHasKey({ size, length, attentionMask }, null);
  const batch: Batch = {
    name: padding,
    padding,
    size,
    length,
    inputIds: ids.data as BigInt64Array,
    attentionMask,
    positionIds: tensors.get('position_ids')!.data as BigInt64Array,
    kinds: Array.from(attentionMask, (bit, i) => (bit === 1n ? 'valid' : hasKey[i] ? 'padding' : 'fullyMasked')),
    source: 'reference',
  };
  return { tensors, batch };
}

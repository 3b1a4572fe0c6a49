import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tokenKinds } from '../../src/batch/kinds.js';
import type { Batch, PaddingSide } from '../../src/types.js';
import { fixture } from './fixtures.js';
import { readSafetensors, type SafeTensor } from './safetensors.js';

/** The exported forms, `<family>-<form>`; see fixtures/forms/README.md. */
export const FORMS = readdirSync(fixture('forms'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'reference')
  .map(({ name }) => name)
  .toSorted();

/** Forms whose weights are those of another form, by name. */
const SHARED = JSON.parse(
  readFileSync(fixture('forms', 'reference', 'shared.json'), 'utf8'),
) as Record<string, string>;

/** Hugging Face's inputs and outputs for the weights of a form: its own where they differ from the family's. */
export function formReference(
  form: string,
  padding: PaddingSide,
): { tensors: Map<string, SafeTensor>; batch: Batch } {
  const families = ['qwen2-window', 'qwen2-moe', 'qwen2-yarn', 'qwen3-moe', 'qwen2', 'qwen3'];
  const names = [SHARED[form] ?? form, families.find((family) => form.startsWith(`${family}-`))!];
  const path = names
    .map((name) => fixture('forms', 'reference', `${name}.${padding}.safetensors`))
    .find((candidate) => existsSync(candidate))!;
  const tensors = readSafetensors(path);
  const ids = tensors.get('input_ids')!;
  const [size, length] = ids.shape as [number, number];
  const attentionMask = tensors.get('attention_mask')!.data as BigInt64Array;
  const masked = { size, length, attentionMask, documents: null, mask: null, past: 0 };
  const positionIds = tensors.get('position_ids')!.data as BigInt64Array;
  return {
    tensors,
    batch: {
      ...masked,
      name: padding,
      padding,
      inputIds: ids.data as BigInt64Array,
      positionIds,
      kinds: tokenKinds(masked),
      source: 'reference',
    },
  };
}

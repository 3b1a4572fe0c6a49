import type { KeyDifference, KeyField } from '../../baselineTypes.js';

const FIELD: Readonly<Record<KeyField, string>> = {
  model: 'the model (SHA-256)',
  precision: 'the precision',
  settings: 'the settings',
  reference: 'the reference',
  implementations: 'the implementations',
  batches: 'the batches',
  provider: 'the execution provider',
  gpu: 'the GPU',
  cpu: 'the processor',
  onnxruntime: 'ONNX Runtime',
  kernel: 'the kernel',
};

const DIGEST = /^[0-9a-f]{64}$/;
const SHOWN_DIGITS = 12;

/** What a difference is about: `the kernel of flash`. */
export function differenceSubject({
  field,
  of,
  was,
}: Pick<KeyDifference, 'field' | 'of' | 'was'>): string {
  if (field === 'batches' && of !== null)
    return `the tokens of batch ${of}${DIGEST.test(was) ? ' (SHA-256)' : ''}`;
  return of === null ? FIELD[field] : `${FIELD[field]} of ${of}`;
}

/** A value of a key; of a digest the beginning. */
export function keyValueText(value: string): string {
  return DIGEST.test(value) ? `${value.slice(0, SHOWN_DIGITS)}…` : value;
}

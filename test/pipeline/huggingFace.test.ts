import { describe, expect, it } from 'vitest';
import type { PaddingSide } from '../../src/types.js';
import { capture, relativeL2, type Captured } from '../support/capture.js';
import { FIXTURES, fixture, reference } from '../support/fixtures.js';

const LAYERS = [0, 1, 2, 3];
const SIDES: PaddingSide[] = ['left', 'right'];

/** Largest relative L2 over every layer's taps and the logits, against Hugging Face's own outputs. */
function worst(run: Captured, ours: string, theirs: string, side: PaddingSide, keep: (token: number) => boolean): number {
  const { tensors } = reference(side);
  const errors = LAYERS.flatMap((layer) =>
    (['attention', 'hidden'] as const).map((tap) => relativeL2(run.tensor(tap, layer, ours), tensors.get(`${theirs}.layers.${layer}.${tap}`)!, keep)),
  );
  errors.push(relativeL2(run.tensor('logits', null, ours), tensors.get(`${theirs}.logits`)!, keep));
  return errors.reduce((a, b) => (b <= a ? a : b));
}

describe.each(FIXTURES)('%s against transformers in PyTorch', (name) => {
  it.each(SIDES)('%s-padded: eager is Hugging Face’s eager on every row, sdpa and flash are its sdpa on valid rows', async (side) => {
    const { batch } = reference(side);
    const run = await capture(fixture(name), batch, ['eager', 'sdpa', 'flash', 'exact']);
    const valid = (token: number): boolean => batch.kinds[token] === 'valid';
    expect(worst(run, 'eager', 'eager', side, () => true)).toBeLessThanOrEqual(1e-5);
    expect(worst(run, 'sdpa', 'sdpa', side, valid)).toBeLessThanOrEqual(1e-5);
    expect(worst(run, 'flash', 'sdpa', side, valid)).toBeLessThanOrEqual(1e-5);
    expect(worst(run, 'exact', 'sdpa', side, valid)).toBeLessThanOrEqual(1e-5);
  });
});

it('would see a scale that is 0.1 % off', async () => {
  const { batch, tensors } = reference('left');
  const run = await capture(fixture('qwen2-optimum'), batch, ['eager']);
  const attention = run.tensor('attention', 0, 'eager');
  const scaled = { ...attention, data: Float32Array.from(attention.data as Float32Array, (x) => x * 1.001) };
  expect(relativeL2(scaled, tensors.get('eager.layers.0.attention')!, () => true)).toBeGreaterThan(5e-4);
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { analyseMask } from '../../src/attention/mask.js';
import { maskProbeBatch } from '../../src/batch/index.js';
import type { TensorData } from '../../src/types.js';

const LENGTH = 10;
const probe = maskProbeBatch(LENGTH);
const FLOAT32_MIN = -3.4028234663852886e38;

interface Spec {
  causal: boolean;
  padding: boolean;
  window: number | null;
  /** Null for a boolean mask. */
  fill: number | null;
}

function allowed({ causal, padding, window }: Spec, b: number, q: number, k: number): boolean {
  return (!causal || k <= q) && (!padding || probe.attentionMask[b * LENGTH + k] === 1n) && (window === null || q - k < window);
}

function maskTensor(spec: Spec): TensorData {
  const cells = Array.from({ length: 2 * LENGTH * LENGTH }, (_, i) => allowed(spec, Math.floor(i / LENGTH ** 2), Math.floor(i / LENGTH) % LENGTH, i % LENGTH));
  const dims = [2, 1, LENGTH, LENGTH];
  const { fill } = spec;
  if (fill === null) return { type: 'bool', dims, data: Uint8Array.from(cells, Number) };
  return { type: 'float32', dims, data: Float32Array.from(cells, (cell) => (cell ? 0 : fill)) };
}

const spec = fc.record({
  causal: fc.constant(true),
  padding: fc.boolean(),
  window: fc.option(fc.integer({ min: 2, max: LENGTH - 1 })),
  fill: fc.option(fc.constantFrom(-Infinity, FLOAT32_MIN, -1e4, -65504)),
});

describe('analysing masks by their values', () => {
  it('tells form, fill, causality, padding and window', () => {
    fc.assert(
      fc.property(spec, (made) => {
        const result = analyseMask(maskTensor(made), probe);
        const fill = made.fill === null ? null : Math.fround(made.fill);
        expect(result).toEqual({ mask: { form: made.fill === null ? 'boolean' : 'additive', fill, causal: true, padding: made.padding, window: made.window } });
      }),
    );
  });

  it('never takes a mask with one cell changed for the same mask', () => {
    fc.assert(
      fc.property(spec, fc.integer({ min: 0, max: 2 * LENGTH * LENGTH - 1 }), (made, index) => {
        const [b, q] = [Math.floor(index / LENGTH ** 2), Math.floor(index / LENGTH) % LENGTH];
        // Rows that may look at no key are filled at will, and are not judged.
        fc.pre(Array.from({ length: LENGTH }, (_, k) => allowed(made, b, q, k)).some(Boolean));
        const tensor = maskTensor(made);
        const cell = Number(tensor.data[index]);
        tensor.data[index] = made.fill === null ? 1 - cell : cell === 0 ? -1e4 : 0;
        expect(analyseMask(tensor, probe)).not.toEqual(analyseMask(maskTensor(made), probe));
      }),
    );
  });

  it('refuses a bias', () => {
    const tensor = maskTensor({ causal: true, padding: true, window: null, fill: -0.5 });
    expect(analyseMask(tensor, probe)).toHaveProperty('problem');
  });

  it('refuses a shape that is not [batch, 1, query, key]', () => {
    expect(analyseMask({ type: 'bool', dims: [2, LENGTH], data: new Uint8Array(2 * LENGTH) }, probe)).toHaveProperty('problem');
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { analyseMask, compareMask, type SiteMask } from '../../src/attention/mask.js';
import { maskProbeBatch } from '../../src/batch/index.js';
import type { MaskFault, TensorData } from '../../src/types.js';

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
  return (
    (!causal || k <= q) &&
    (!padding || probe.attentionMask[b * LENGTH + k] === 1n) &&
    (window === null || q - k < window)
  );
}

function maskTensor(spec: Spec): TensorData {
  const cells = Array.from({ length: 2 * LENGTH * LENGTH }, (_, i) =>
    allowed(spec, Math.floor(i / LENGTH ** 2), Math.floor(i / LENGTH) % LENGTH, i % LENGTH),
  );
  const dims = [2, 1, LENGTH, LENGTH];
  const { fill } = spec;
  if (fill === null) return { type: 'bool', dims, data: Uint8Array.from(cells, Number) };
  return { type: 'float32', dims, data: Float32Array.from(cells, (cell) => (cell ? 0 : fill)) };
}

const site = (tensor: TensorData | null, operatorCausal = false): SiteMask => ({
  tensor,
  operatorCausal,
});

const spec = fc.record({
  causal: fc.boolean(),
  padding: fc.boolean(),
  window: fc.option(fc.integer({ min: 2, max: LENGTH - 1 })),
  fill: fc.option(fc.constantFrom(-Infinity, FLOAT32_MIN, -1e4, -65504)),
});

describe('analysing masks by their values', () => {
  it('tells form, fill, causality, padding and window', () => {
    fc.assert(
      fc.property(spec, (made) => {
        const result = analyseMask(site(maskTensor(made)), probe);
        const masks = made.causal || made.padding || made.window !== null;
        const fill = made.fill === null || !masks ? null : Math.fround(made.fill);
        expect(result).toEqual({
          mask: {
            form: made.fill === null ? 'boolean' : 'additive',
            fill,
            causal: made.causal,
            padding: made.padding,
            window: made.window,
          },
          faults: [],
        });
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
        expect(analyseMask(site(tensor), probe)).not.toEqual(
          analyseMask(site(maskTensor(made)), probe),
        );
      }),
    );
  });

  it('refuses a shape that is not [batch, 1, query, key], nor broadcasts to it', () => {
    expect(
      analyseMask(site({ type: 'bool', dims: [2, 3], data: new Uint8Array(6) }), probe),
    ).toHaveProperty('problem');
  });

  it('reads a mask that is broadcast, and one that the operator makes', () => {
    const keys = {
      type: 'bool' as const,
      dims: [2, 1, 1, LENGTH],
      data: Uint8Array.from(probe.attentionMask, Number),
    };
    expect(analyseMask(site(keys), probe)).toMatchObject({
      mask: { form: 'boolean', causal: false, padding: true, window: null },
      faults: [],
    });
    expect(analyseMask(site(keys, true), probe)).toMatchObject({
      mask: { causal: true, padding: true },
      faults: [],
    });
    expect(analyseMask(site(null, true), probe)).toMatchObject({
      mask: { form: 'none', fill: null, causal: true, padding: false, window: null },
      faults: [],
    });
  });
});

describe('comparing a mask with what it should be', () => {
  const RIGHT = { causal: true, padding: true, window: 4 };
  const made: Spec = { ...RIGHT, fill: FLOAT32_MIN };
  const PADDING = 3;
  const cell = (b: number, q: number, k: number): number => (b * LENGTH + q) * LENGTH + k;
  const faultsOf = (edit: (data: Float32Array) => void): MaskFault[] => {
    const tensor = maskTensor(made);
    edit(tensor.data as Float32Array);
    return compareMask(site(tensor), probe, RIGHT).faults;
  };

  it.each<[string, (data: Float32Array) => void, MaskFault[]]>([
    ['nothing', () => undefined, []],
    [
      'a key of the future',
      (data) => (data[cell(0, 3, 4)] = 0),
      [{ kind: 'future', query: 3, key: 4, value: null }],
    ],
    [
      'padding',
      (data) => (data[cell(1, PADDING, 1)] = 0),
      [{ kind: 'padding', query: PADDING, key: 1, value: null }],
    ],
    [
      'a key beyond the window',
      (data) => (data[cell(0, 9, 5)] = 0),
      [{ kind: 'beyond-window', query: 9, key: 5, value: null }],
    ],
    [
      'a hidden key',
      (data) => (data[cell(0, 6, 5)] = -65504),
      [{ kind: 'hidden', query: 6, key: 5, value: null }],
    ],
    [
      'a weak fill',
      (data) => data.forEach((value, i) => (data[i] = value === 0 ? 0 : -10)),
      [{ kind: 'fill', query: 0, key: 1, value: -10 }],
    ],
    [
      'NaN',
      (data) => (data[cell(0, 0, 5)] = NaN),
      [{ kind: 'fill', query: 0, key: 5, value: NaN }],
    ],
    [
      'a bias',
      (data) => (data[cell(0, 2, 1)] = -0.5),
      [{ kind: 'bias', query: 2, key: 1, value: -0.5 }],
    ],
    ['a row that may attend to nothing', (data) => data.fill(0, cell(1, 0, 0), cell(1, 1, 0)), []],
  ])('names %s', (_, edit, faults) => expect(faultsOf(edit)).toEqual(faults));
});

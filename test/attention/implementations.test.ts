import { describe, expect, it } from 'vitest';
import { buildBatch, mulberry32 } from '../../src/batch/index.js';
import type { ImplementationName, PaddingSide, TensorData } from '../../src/types.js';
import { attend, type Case } from '../support/attend.js';
import { attention64 } from '../support/attention64.js';
import { fixture, reference } from '../support/fixtures.js';
import { readSafetensors } from '../support/safetensors.js';

type Name = Exclude<ImplementationName, 'original'>;

function float32(dims: number[], values: ArrayLike<number>): TensorData {
  return { type: 'float32', dims, data: Float32Array.from(values) };
}

const NAMES = ['eager', 'sdpa', 'flash', 'exact'] as const;

describe.each(['left', 'right'] as const)(
  'on the Q, K, V of a trained model, %s-padded',
  (side: PaddingSide) => {
    const golden = readSafetensors(fixture('reference', 'exact.safetensors'));
    const { batch } = reference(side);
    const tensor = (name: string): TensorData => {
      const { shape, data } = golden.get(`${side}.${name}`)!;
      return float32(shape, data as Float32Array);
    };
    const given: Case = {
      query: tensor('q'),
      key: tensor('k'),
      value: tensor('v'),
      batch,
      scale: 0.25,
    };
    const truth = golden.get(`${side}.out`)!;
    const [, heads, length, headDim] = truth.shape as [number, number, number, number];

    /** Relative L2 against PyTorch's float64 result over the tokens of some kinds. */
    const error = (output: TensorData, kinds: readonly string[]): number => {
      let delta = 0;
      let norm = 0;
      for (let i = 0; i < truth.data.length; i++) {
        const token =
          Math.floor(i / (heads * length * headDim)) * length + (Math.floor(i / headDim) % length);
        if (!kinds.includes(batch.kinds[token]!)) continue;
        delta += (Number(output.data[i]) - Number(truth.data[i])) ** 2;
        norm += Number(truth.data[i]) ** 2;
      }
      return Math.sqrt(delta / norm);
    };

    it('exact is PyTorch’s float64 to 1e-12', async () => {
      const output = await attend('exact', given);
      expect(output.type).toBe('float64');
      expect(error(output, ['valid', 'padding'])).toBeLessThanOrEqual(1e-12);
      const fullyMasked = output.data.filter(
        (_, i) =>
          batch.kinds[
            Math.floor(i / (heads * length * headDim)) * length + (Math.floor(i / headDim) % length)
          ] === 'fullyMasked',
      );
      expect([...fullyMasked].every((x) => x === 0)).toBe(true);
    });

    it.each(['eager', 'sdpa', 'flash'] as const)(
      '%s is within float32 rounding of it on valid tokens',
      async (name) => {
        expect(error(await attend(name, given), ['valid'])).toBeLessThanOrEqual(1e-6);
      },
    );
  },
);

describe('on a case computed by hand', () => {
  /** One head; each token has one number, in the first of the 8 elements that GroupQueryAttention needs at least. */
  const tokens = (...values: number[]): TensorData =>
    float32(
      [2, 1, 3, 8],
      values.flatMap((value) => [value, 0, 0, 0, 0, 0, 0, 0]),
    );
  const batch = buildBatch({
    sequences: [
      [5, 6, 7],
      [8, 9],
    ],
    padding: 'left',
    padTokenId: 0,
    length: null,
    source: 'test',
    name: 'hand',
  });
  // Every score is 0, so that a query averages the values that it may look at: 1, 2, 3, and 1 (padding), 2, 3.
  const given: Case = {
    query: tokens(0, 0, 0, 0, 0, 0),
    key: tokens(0, 0, 0, 0, 0, 0),
    value: tokens(1, 2, 3, 1, 2, 3),
    batch,
    scale: 1,
  };
  const attended = async (name: Name, changed: Partial<Case> = {}): Promise<number[]> => {
    const { data } = await attend(name, { ...given, ...changed });
    return Array.from({ length: 6 }, (_, token) => Number(data[token * 8]));
  };

  it.each(NAMES)('%s averages over the tokens seen so far', async (name) => {
    const means = await attended(name);
    expect(means.slice(0, 3)).toEqual([1, 1.5, 2]);
    expect(means.slice(4)).toEqual([2, 2.5]);
  });

  it.each<[Name, Case['settings']]>([
    ['eager', {}],
    ['sdpa', {}],
    ['exact', {}],
    ['flash', { precision: 'bf16' }],
    ['sdpa', { precision: 'bf16' }],
  ])(
    '%s with %j averages over all tokens of its row that are no padding, in both directions',
    async (name, settings) => {
      const bothWays = buildBatch({
        sequences: [
          [5, 6, 7],
          [8, 9],
        ],
        padding: 'left',
        padTokenId: 0,
        length: null,
        source: 'test',
        name: 'hand',
        causal: false,
      });
      const means = await attended(name, {
        batch: bothWays,
        causal: false,
        ...(settings && { settings }),
      });
      expect(bothWays.kinds).toEqual(['valid', 'valid', 'valid', 'padding', 'valid', 'valid']);
      expect([...means.slice(0, 3), ...means.slice(4)]).toEqual([2, 2, 2, 2.5, 2.5]);
    },
  );

  it('a fully masked row is the mean of all values in eager, zero in sdpa, flash and exact', async () => {
    const rows = await Promise.all(NAMES.map(async (name) => (await attended(name))[3]));
    expect(rows).toEqual([2, 0, 0, 0]);
  });

  it('a fully masked row of eager is NaN where the mask is filled with −inf', async () => {
    expect((await attended('eager', { settings: { maskFill: '-inf' } }))[3]).toBeNaN();
  });

  it.each(NAMES)('%s looks back over a window of two tokens', async (name) => {
    expect((await attended(name, { window: 2 })).slice(0, 3)).toEqual([1, 1.5, 2.5]);
  });

  it.each(NAMES)('%s multiplies the scores by the scale', async (name) => {
    // Query 1 of row 0 has scores 0 and ln 3, so weights 1/4 and 3/4.
    const means = await attended(name, {
      query: tokens(1, 1, 1, 1, 1, 1),
      key: tokens(0, 2, 0, 0, 0, 0),
      scale: Math.log(3) / 2,
    });
    expect(means[1]).toBeCloseTo(0.25 * 1 + 0.75 * 2, 6);
  });

  it.each(NAMES)('%s keeps the scores within a softcap', async (name) => {
    // Query 1 of row 0 has scores 0 and 2·tanh(6/2).
    const means = await attended(name, {
      query: tokens(1, 1, 1, 1, 1, 1),
      key: tokens(0, 6, 0, 0, 0, 0),
      softcap: 2,
    });
    const weight = Math.exp(2 * Math.tanh(3));
    expect(means[1]).toBeCloseTo((1 + 2 * weight) / (1 + weight), 6);
  });

  it.each(NAMES)(
    '%s lets query heads 0 and 1 share key/value head 0, and 2 and 3 head 1',
    async (name) => {
      const one = buildBatch({
        sequences: [[5, 6]],
        padding: 'left',
        padTokenId: 0,
        length: null,
        source: 'test',
        name: 'gqa',
      });
      const query = float32([1, 4, 2, 8], new Float32Array(64));
      const key = float32([1, 2, 2, 8], new Float32Array(32));
      const value = float32(
        [1, 2, 2, 8],
        Array.from({ length: 32 }, (_, i) => (i < 16 ? 1 : 2)),
      );
      const { data } = await attend(name, { query, key, value, batch: one, scale: 1 });
      expect([0, 1, 2, 3].map((head) => Number(data[head * 16]))).toEqual([1, 1, 2, 2]);
    },
  );

  it.each(NAMES)('%s shows a NaN in a valid value', async (name) => {
    const means = await attended(name, { value: tokens(1, NaN, 3, 1, 2, 3) });
    expect(means.slice(1, 3)).toEqual([NaN, NaN]);
    expect(means.slice(4)).toEqual([2, 2.5]);
  });
});

describe('with sinks in the softmax', () => {
  const [HEADS, KV, LENGTH, WIDTH] = [4, 2, 10, 8];
  const SINKS = [-3, 0, 1.5, 4];
  const random = mulberry32(7);
  const values = (heads: number): TensorData =>
    float32(
      [2, heads, LENGTH, WIDTH],
      Array.from({ length: 2 * heads * LENGTH * WIDTH }, () => 4 * random() - 2),
    );
  const [query, key, value] = [values(HEADS), values(KV), values(KV)];
  const row = (length: number): number[] => Array.from({ length }, () => 1);
  const batch = buildBatch({
    sequences: [row(LENGTH), row(6)],
    padding: 'left',
    padTokenId: 0,
    length: LENGTH,
    source: 'test',
    name: 'sinks',
  });
  const scale = 0.5;
  const truth = attention64(
    query,
    key,
    value,
    scale,
    (b, _h, q, k) => k <= q && batch.attentionMask[b * LENGTH + k] === 1n,
    undefined,
    SINKS,
  );
  const isOf = (kind: string, i: number): boolean =>
    batch.kinds[
      Math.floor(i / (HEADS * LENGTH * WIDTH)) * LENGTH + (Math.floor(i / WIDTH) % LENGTH)
    ] === kind;

  it.each<[Name, Case['settings'], number]>([
    ['exact', {}, 1e-12],
    ['eager', {}, 1e-6],
    ['sdpa', {}, 1e-6],
    ['sdpa', { kernel: 'mha' }, 1e-6],
    ['sdpa', { kernel: 'efficient' }, 1e-6],
    ['flash', {}, 1e-6],
    ['eager', { precision: 'bf16', scoresPrecision: 'bf16' }, 2e-2],
    ['sdpa', { precision: 'bf16' }, 1e-2],
    ['flash', { precision: 'bf16', flashBlock: 4 }, 1e-2],
  ])('%s with %j is attention in float64', async (name, settings, limit) => {
    const { data } = await attend(name, {
      query,
      key,
      value,
      batch,
      scale,
      sinks: SINKS,
      ...(settings && { settings }),
    });
    let [delta, norm] = [0, 0];
    for (let i = 0; i < truth.length; i++) {
      if (!isOf('valid', i)) continue;
      delta += (Number(data[i]) - truth[i]!) ** 2;
      norm += truth[i]! ** 2;
    }
    expect(Math.sqrt(delta / norm)).toBeLessThanOrEqual(limit);
    // All the weight of a row that may attend to nothing goes to the sink, which has no value.
    expect(Array.from(data, Number).every((x, i) => !isOf('fullyMasked', i) || x === 0)).toBe(true);
  });
});

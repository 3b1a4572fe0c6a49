import { describe, expect, it } from 'vitest';
import { buildRangeProbe, RANGE_ROWS } from '../../src/attention/rangeProbes.js';
import { encodeModel } from '../../src/onnx/read.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import type { AttentionPrecision, TensorData } from '../../src/types.js';
import { compute, tinyModel } from '../support/tinyGraph.js';

type Sums = Record<(typeof RANGE_ROWS)[number], number>;

interface Case {
  query: TensorData;
  key: TensorData;
  /** [B|1,1|H,S,T] */
  allowed: TensorData;
  /** [B,1,S,1] */
  valid: TensorData;
  scale?: number;
  softcap?: number | null;
  bias?: TensorData;
  precision?: AttentionPrecision;
}

/** Runs the probe; one record per query head. */
async function probe({
  query,
  key,
  allowed,
  valid,
  scale = 1,
  softcap = null,
  bias,
  precision = 'fp32',
}: Case): Promise<Sums[]> {
  const [heads, kvHeads] = [query.dims[1]!, key.dims[1]!];
  const [output] = await compute(
    { query, key, allowed, valid, ...(bias ? { bias } : {}) },
    (builder) => [
      buildRangeProbe(
        builder,
        { query: 'query', key: 'key', heads, kvHeads, scale, softcap },
        { allowed: 'allowed', valid: 'valid', bias: bias ? 'bias' : null },
        precision,
      ),
    ],
  );
  expect([output!.type, output!.dims]).toEqual(['float64', [RANGE_ROWS.length, heads]]);
  return Array.from(
    { length: heads },
    (_, head) =>
      Object.fromEntries(
        RANGE_ROWS.map((row, i) => [row, Number(output!.data[i * heads + head])]),
      ) as Sums,
  );
}

function float32(dims: number[], values: ArrayLike<number>): TensorData {
  return { type: 'float32', dims, data: Float32Array.from(values) };
}

function bool(dims: number[], values: ArrayLike<boolean | number>): TensorData {
  return { type: 'bool', dims, data: Uint8Array.from(values as ArrayLike<number>, Number) };
}

/** mulberry32, made normal by Box and Muller. */
function normals(seed: number, count: number, deviation: number): Float32Array {
  let state = seed;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return Float32Array.from(
    { length: count },
    () => deviation * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

/** The same by plain loops in float64, p unrounded. */
function expected({
  query,
  key,
  allowed,
  valid,
  scale = 1,
  softcap = null,
  bias,
}: Case): Omit<Sums, 'rowSumError' | 'zeros'>[] {
  const [batch, heads, length, headDim] = query.dims as [number, number, number, number];
  const [, kvHeads, keys] = key.dims as [number, number, number, number];
  const maskAt = (mask: TensorData, b: number, h: number, s: number, t: number): number => {
    const [rows, maskHeads] = mask.dims as [number, number];
    return Number(
      mask.data[
        (((rows === 1 ? 0 : b) * maskHeads + (maskHeads === 1 ? 0 : h)) * length + s) * keys + t
      ],
    );
  };
  return Array.from({ length: heads }, (_, h) => {
    const g = Math.floor(h / (heads / kvHeads));
    const sums = { maxScore: 0, maxKey: 0, entropySum: 0, pairs: 0, weightsL2Sum: 0, queries: 0 };
    for (let b = 0; b < batch; b++) {
      for (let i = 0; i < keys * headDim; i++)
        sums.maxKey = Math.max(
          sums.maxKey,
          Math.abs(Number(key.data[(b * kvHeads + g) * keys * headDim + i])),
        );
      for (let s = 0; s < length; s++) {
        if (!valid.data[b * length + s]) continue;
        const seen: number[] = [];
        for (let t = 0; t < keys; t++) {
          let score = 0;
          for (let d = 0; d < headDim; d++)
            score +=
              Number(query.data[((b * heads + h) * length + s) * headDim + d]) *
              Number(key.data[((b * kvHeads + g) * keys + t) * headDim + d]);
          sums.maxScore = Math.max(sums.maxScore, Math.abs(score));
          const capped =
            softcap === null ? score * scale : softcap * Math.tanh((score * scale) / softcap);
          if (maskAt(allowed, b, h, s, t))
            seen.push(capped + (bias ? maskAt(bias, b, h, s, t) : 0));
        }
        if (seen.length === 0) continue;
        const top = Math.max(...seen);
        const total = seen.reduce((sum, score) => sum + Math.exp(score - top), 0);
        const p = seen.map((score) => Math.exp(score - top) / total);
        sums.entropySum -= p.reduce((sum, x) => sum + (x === 0 ? 0 : x * Math.log(x)), 0);
        sums.weightsL2Sum += Math.hypot(...p);
        sums.pairs += seen.length;
        sums.queries += 1;
      }
    }
    return sums;
  });
}

interface Shape {
  batch: number;
  heads: number;
  kvHeads: number;
  length: number;
  headDim: number;
}

/** Seeded normal Q and K; a row of each length, padded on one side. */
function randomCase(
  seed: number,
  { batch, heads, kvHeads, length, headDim }: Shape,
  side: 'left' | 'right',
  window: number | null,
): Case {
  const isValid = (b: number, s: number): boolean =>
    side === 'left' ? s >= 2 * b : s < length - 2 * b;
  const allowed: boolean[] = [];
  const valid: boolean[] = [];
  for (let b = 0; b < batch; b++) {
    for (let s = 0; s < length; s++) {
      valid.push(isValid(b, s));
      for (let t = 0; t < length; t++)
        allowed.push(t <= s && isValid(b, t) && (window === null || s - t < window));
    }
  }
  return {
    query: float32(
      [batch, heads, length, headDim],
      normals(seed, batch * heads * length * headDim, 2),
    ),
    key: float32(
      [batch, kvHeads, length, headDim],
      normals(seed + 1, batch * kvHeads * length * headDim, 2),
    ),
    allowed: bool([batch, 1, length, length], allowed),
    valid: bool([batch, 1, length, 1], valid),
    scale: headDim ** -0.5,
  };
}

/** float32 rounds relatively by 6e-8; scores of up to 100 are off by 1e-5, and what is made of them too. */
const FLOAT32 = 1e-5;

function expectClose(
  actual: readonly Sums[],
  truth: readonly Omit<Sums, 'rowSumError' | 'zeros'>[],
): void {
  truth.forEach((head, h) => {
    for (const [row, value] of Object.entries(head) as [keyof typeof head, number][]) {
      expect(
        Math.abs(actual[h]![row] - value),
        `${row} of head ${h}: ${actual[h]![row]} for ${value}`,
      ).toBeLessThanOrEqual(FLOAT32 * Math.abs(value));
    }
    expect(head.queries).toBeGreaterThan(0);
  });
}

describe('range probe against float64', () => {
  const shape = { batch: 3, heads: 4, kvHeads: 2, length: 9, headDim: 8 };
  it.each(['left', 'right'] as const)('%s padding, grouped heads, causal', async (side) => {
    const given = randomCase(1, shape, side, null);
    expectClose(await probe(given), expected(given));
  });

  it.each(['left', 'right'] as const)(
    '%s padding, a window, each head its own keys',
    async (side) => {
      const given = randomCase(7, { ...shape, kvHeads: 4 }, side, 3);
      expectClose(await probe(given), expected(given));
    },
  );

  it('one key/value head for all, a softcap, a bias, and a mask by head that all rows share', async () => {
    const given = randomCase(11, { ...shape, kvHeads: 1 }, 'right', null);
    const square = shape.length ** 2;
    // Head h sees every (h+1)-th key before it, and no query is without one.
    const byHead = Array.from({ length: 4 * square }, (_, i) => {
      const [h, s, t] = [
        Math.floor(i / square),
        Math.floor((i % square) / shape.length),
        i % shape.length,
      ];
      return t <= s && (s - t) % (h + 1) === 0;
    });
    const full: Case = {
      ...given,
      softcap: 5,
      allowed: bool([1, 4, shape.length, shape.length], byHead),
      bias: float32([1, 4, shape.length, shape.length], normals(3, 4 * square, 1)),
    };
    expectClose(await probe(full), expected(full));
  });

  it('counts what rounds to 0, and how far the sum is from 1, as a rounding by hand of the same p does', async () => {
    const given = { ...randomCase(21, { ...shape, length: 32 }, 'left', null), scale: 0.6 };
    for (const precision of ['fp32', 'fp16', 'bf16'] as const) {
      const [output] = await compute(
        { query: given.query, key: given.key, allowed: given.allowed },
        (builder) => {
          const keys = builder.op('Expand', [
            builder.op('Unsqueeze', ['key', builder.ints(2)]),
            builder.ints(1, 1, 2, 1, 1),
          ]);
          const scores = builder.op('MatMul', [
            'query',
            builder.transpose(builder.reshapeTo(keys, 0, 4, 32, 8), 0, 1, 3, 2),
          ]);
          return [
            builder.op(
              'Softmax',
              [
                builder.op('Where', [
                  'allowed',
                  builder.op('Mul', [scores, builder.float(given.scale)]),
                  builder.float(-Infinity),
                ]),
              ],
              { axis: -1n },
            ),
          ];
        },
      );
      const actual = await probe({ ...given, precision });
      for (let h = 0; h < 4; h++) {
        let zeros = 0;
        let error = 0;
        for (let b = 0; b < 3; b++) {
          for (let s = 0; s < 32; s++) {
            if (!given.valid.data[b * 32 + s]) continue;
            const at = ((b * 4 + h) * 32 + s) * 32;
            const p = Array.from(output!.data.slice(at, at + 32) as Float32Array, (x) =>
              ROUND[precision](x),
            );
            zeros += p.filter(
              (x, t) => x === 0 && given.allowed.data[(b * 32 + s) * 32 + t] === 1,
            ).length;
            error = Math.max(error, Math.abs(p.reduce((sum, x) => sum + x, 0) - 1));
          }
        }
        expect(actual[h]!.zeros).toBe(zeros);
        // The order of the sum in float64 is the only freedom.
        expect(actual[h]!.rowSumError).toBeCloseTo(error, 14);
      }
      // Scores lie within some 40 of each other: beyond fp16's reach of 17, and within the others' of 88.
      const lost = actual.reduce((sum, { zeros }) => sum + zeros, 0);
      expect(lost > 0).toBe(precision === 'fp16');
      const limit = { fp32: 1e-6, fp16: 2e-3, bf16: 2e-2 }[precision];
      const worst = Math.max(...actual.map(({ rowSumError }) => rowSumError));
      expect(worst).toBeLessThan(limit);
      expect(worst).toBeGreaterThan(limit / 1000);
    }
  });
});

/** Rounds to nearest, ties to even, as IEEE 754 does, by a grid of the exponent's size; for values that do not overflow. */
function roundTo(bits: number, smallestExponent: number): (x: number) => number {
  return (x) => {
    if (x === 0) return 0;
    const grid = 2 ** (Math.max(Math.floor(Math.log2(Math.abs(x))), smallestExponent) - bits + 1);
    const steps = x / grid;
    const below = Math.floor(steps);
    const isUp = steps - below > 0.5 || (steps - below === 0.5 && below % 2 === 1);
    return (below + Number(isUp)) * grid;
  };
}

const ROUND: Record<AttentionPrecision, (x: number) => number> = {
  fp32: (x) => x,
  fp16: roundTo(11, -14),
  bf16: roundTo(8, -126),
};

describe('range probe on cases computed by hand', () => {
  const all = (s: number, t: number): TensorData =>
    bool([1, 1, s, t], new Uint8Array(s * t).fill(1));
  const valid = (...flags: number[]): TensorData => bool([1, 1, flags.length, 1], flags);
  /** One head of one element. */
  const column = (...values: number[]): TensorData => float32([1, 1, values.length, 1], values);
  const one = async (given: Case): Promise<Sums> => (await probe(given))[0]!;

  it('is ln 4, a half and nothing lost where four keys weigh the same', async () => {
    expect(
      await one({
        query: column(0),
        key: column(3, -5, 1, 2),
        allowed: all(1, 4),
        valid: valid(1),
      }),
    ).toEqual({
      maxScore: 0,
      maxKey: 5,
      entropySum: expect.closeTo(Math.log(4), 6),
      rowSumError: 0,
      zeros: 0,
      pairs: 4,
      weightsL2Sum: 0.5,
      queries: 1,
    });
  });

  it('is no entropy, exactly, where a query has one key', async () => {
    const sums = await one({
      query: column(2),
      key: column(3, 4),
      allowed: bool([1, 1, 1, 2], [1, 0]),
      valid: valid(1),
    });
    expect(sums).toEqual({
      maxScore: 8,
      maxKey: 4,
      entropySum: 0,
      rowSumError: 0,
      zeros: 0,
      pairs: 1,
      weightsL2Sum: 1,
      queries: 1,
    });
  });

  it('takes the largest score before the scale, of masked keys too, and of either sign', async () => {
    const given = {
      query: column(2),
      key: column(3, 40, -50),
      allowed: bool([1, 1, 1, 3], [1, 0, 0]),
      valid: valid(1),
      scale: 0.01,
    };
    expect(await one(given)).toMatchObject({ maxScore: 100, maxKey: 50 });
  });

  it('leaves out what a query that is not valid holds, whatever it is', async () => {
    for (const other of [1000, NaN, Infinity]) {
      const sums = await one({
        query: column(other, 1),
        key: column(1, 1),
        allowed: all(2, 2),
        valid: valid(0, 1),
      });
      expect(sums).toEqual({
        maxScore: 1,
        maxKey: 1,
        entropySum: expect.closeTo(Math.log(2), 6),
        rowSumError: 0,
        zeros: 0,
        pairs: 2,
        weightsL2Sum: expect.closeTo(Math.SQRT1_2, 6),
        queries: 1,
      });
    }
  });

  it('leaves a valid query without a key out of all but the scores', async () => {
    const sums = await one({
      query: column(7, 1),
      key: column(1, 1),
      allowed: bool([1, 1, 2, 2], [0, 0, 1, 0]),
      valid: valid(1, 1),
    });
    expect(sums).toEqual({
      maxScore: 7,
      maxKey: 1,
      entropySum: 0,
      rowSumError: 0,
      zeros: 0,
      pairs: 1,
      weightsL2Sum: 1,
      queries: 1,
    });
  });

  it('is all zero but for the keys where no query counts', async () => {
    const sums = await one({
      query: column(7),
      key: column(1, 2),
      allowed: all(1, 2),
      valid: valid(0),
    });
    expect(sums).toEqual({
      maxScore: 0,
      maxKey: 2,
      entropySum: 0,
      rowSumError: 0,
      zeros: 0,
      pairs: 0,
      weightsL2Sum: 0,
      queries: 0,
    });
  });

  it.each([
    // ln 1e-8: below fp16's 2⁻²⁵, above bf16's smallest.
    [1e-8, { fp32: 0, bf16: 0, fp16: 1 }],
    [3.1e-8, { fp32: 0, bf16: 0, fp16: 0 }],
    // Below bf16's smallest subnormal number, 2⁻¹³³, and half of float32's, 2⁻¹⁴⁹.
    [1e-46, { fp32: 1, bf16: 1, fp16: 1 }],
  ])('a probability of %d is 0 at some precisions', async (p, zeros) => {
    for (const precision of ['fp32', 'bf16', 'fp16'] as const) {
      const sums = await one({
        query: column(1),
        key: column(0, Math.log(p), 0),
        allowed: bool([1, 1, 1, 3], [1, 1, 0]),
        valid: valid(1),
        precision,
      });
      expect(sums).toMatchObject({ zeros: zeros[precision], pairs: 2 });
    }
  });

  it('says how far rounded probabilities are from 1', async () => {
    // Thirds: 0.333251953125 in fp16, 0.333984375 in bf16.
    const thirds = { query: column(0), key: column(1, 1, 1), allowed: all(1, 3), valid: valid(1) };
    expect((await one({ ...thirds, precision: 'fp16' })).rowSumError).toBe(1 - 3 * 0.333251953125);
    expect((await one({ ...thirds, precision: 'bf16' })).rowSumError).toBe(3 * 0.333984375 - 1);
    expect((await one(thirds)).rowSumError).toBe(Math.abs(3 * Math.fround(1 / 3) - 1));
  });

  it('an infinite score is an infinite largest score, and NaN in what is made of the probabilities', async () => {
    const sums = await one({
      query: column(1e30, 1),
      key: column(1e30, 1),
      allowed: all(2, 2),
      valid: valid(1, 1),
    });
    expect(sums).toMatchObject({
      maxScore: Infinity,
      entropySum: NaN,
      rowSumError: NaN,
      weightsL2Sum: NaN,
      queries: 2,
    });
    expect(
      await one({
        query: column(Infinity, 1),
        key: column(1, 1),
        allowed: all(2, 2),
        valid: valid(1, 1),
      }),
    ).toMatchObject({ maxScore: Infinity, maxKey: 1 });
    expect(
      await one({
        query: column(1),
        key: column(1, -Infinity),
        allowed: bool([1, 1, 1, 2], [1, 0]),
        valid: valid(1),
      }),
    ).toMatchObject({ maxScore: Infinity, maxKey: Infinity, entropySum: 0 });
  });

  // A maximum over 64 numbers is taken in lanes; NaN must show from each of them.
  it.each([0, 1, 5, 31, 62, 63])('a NaN in key %i of 64 is seen', async (at) => {
    const values = Array.from({ length: 64 }, (_, i) => i / 64);
    values[at] = NaN;
    const given = { query: column(1), key: column(...values), valid: valid(1) };
    expect(await one({ ...given, allowed: all(1, 64) })).toMatchObject({
      maxScore: NaN,
      maxKey: NaN,
      entropySum: NaN,
      rowSumError: NaN,
      weightsL2Sum: NaN,
    });
    // Behind the mask it is in the scores all the same, and in no probability.
    const masked = await one({
      ...given,
      allowed: bool(
        [1, 1, 1, 64],
        values.map((value) => !Number.isNaN(value)),
      ),
    });
    expect(masked).toMatchObject({ maxScore: NaN, maxKey: NaN, pairs: 63, zeros: 0 });
    expect(masked.entropySum).toBeGreaterThan(4);
  });

  it.each([0, 1, 40, 63])('a NaN in query %i of 64 is seen', async (at) => {
    const values = Array.from({ length: 64 }, (_, i) => i / 64);
    values[at] = NaN;
    const sums = await one({
      query: column(...values),
      key: column(1, 2),
      allowed: all(64, 2),
      valid: valid(...values.map(() => 1)),
    });
    expect(sums).toMatchObject({
      maxScore: NaN,
      maxKey: 2,
      entropySum: NaN,
      rowSumError: NaN,
      weightsL2Sum: NaN,
      queries: 64,
    });
  });

  it('keeps a NaN to the heads that read it', async () => {
    const key = float32([1, 2, 2, 1], [1, NaN, 3, 4]);
    const sums = await probe({
      query: float32([1, 4, 1, 1], [1, 1, 1, 1]),
      key,
      allowed: all(1, 2),
      valid: valid(1),
    });
    expect(sums.map(({ maxScore }) => maxScore)).toEqual([NaN, NaN, 4, 4]);
    expect(sums.map(({ maxKey }) => maxKey)).toEqual([NaN, NaN, 4, 4]);
    expect(sums.map(({ entropySum }) => Number.isNaN(entropySum))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

it('leaves an implementation its own nodes, which the profile shows', async () => {
  const { query, key, allowed, valid } = randomCase(
    31,
    { batch: 2, heads: 2, kvHeads: 2, length: 4, headDim: 8 },
    'left',
    null,
  );
  const { model } = tinyModel({ query, key, allowed, valid }, (builder) => {
    const probed = builder.within('probe', () =>
      buildRangeProbe(
        builder,
        { query: 'query', key: 'key', heads: 2, kvHeads: 2, scale: 0.5, softcap: null },
        { allowed: 'allowed', valid: 'valid' },
        'fp32',
      ),
    );
    const eager = builder.within('eager', () =>
      builder.op('Mul', [
        builder.op('MatMul', ['query', builder.transpose('key', 0, 1, 3, 2)]),
        builder.float(0.5),
      ]),
    );
    return [eager, probed];
  });
  const session = await inProcessRunner().open(
    { model: { bytes: encodeModel(model), folder: '.' }, profile: true },
    'test',
  );
  await session.run({ query, key, allowed, valid });
  const names = (await session.executed()).map(({ name }) => name);
  await session.close();
  expect(names).toEqual(
    expect.arrayContaining([
      'attn_diff/eager/MatMul',
      'attn_diff/eager/Mul',
      'attn_diff/probe/MatMul',
      'attn_diff/probe/Mul',
    ]),
  );
});

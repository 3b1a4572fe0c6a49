import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  buildElementProbe,
  buildFinite,
  buildLargest,
  buildRow,
  buildRowProbe,
  ELEMENT_ROWS,
  ROW_ROWS,
} from '../../src/attention/traceProbes.js';
import { DataType } from '../../src/onnx/types.js';
import type { TensorData } from '../../src/types.js';
import { compute } from '../support/tinyGraph.js';

const number = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -1000, max: 1000 }).map((x) => x / 8) },
  { weight: 1, arbitrary: fc.constantFrom(NaN, Infinity, -Infinity) },
);

/** A tensor of [B,H,S,D] with some tokens [B,1,S,1] that are preferred. */
const attention = fc
  .tuple(
    fc.integer({ min: 1, max: 2 }),
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 4 }),
  )
  .chain(([b, h, s, d]) =>
    fc.record({
      dims: fc.constant([b, h, s, d] as const),
      values: fc.array(number, { minLength: b * h * s * d, maxLength: b * h * s * d }),
      tokens: fc.array(fc.boolean(), { minLength: b * s, maxLength: b * s }),
    }),
  );

function float32(dims: readonly number[], values: readonly number[]): TensorData {
  return { type: 'float32', dims, data: Float32Array.from(values) };
}

function bool(dims: readonly number[], values: readonly boolean[]): TensorData {
  return { type: 'bool', dims, data: Uint8Array.from(values, Number) };
}

function named<R extends string>(
  rows: readonly R[],
  { data, type, dims }: TensorData,
): Record<R, number> {
  expect([type, dims]).toEqual(['float64', [rows.length]]);
  return Object.fromEntries(rows.map((row, i) => [row, data[i]])) as Record<R, number>;
}

const isBad = (x: number): boolean => !Number.isFinite(x);
const largestOf = (values: readonly number[]): number =>
  values.filter(Number.isFinite).reduce((largest, x) => Math.max(largest, Math.abs(x)), -1);

describe('an element probe', () => {
  it.each([
    ['float32 as it is', DataType.FLOAT],
    ['any other type as float64', DataType.UNDEFINED],
  ])('says what is not finite and where first, reading %s', async (_, type) => {
    await fc.assert(
      fc.asyncProperty(attention, async ({ dims, values, tokens }) => {
        const [b, h, s, d] = dims;
        const [output] = await compute(
          { x: float32(dims, values), tokens: bool([b, 1, s, 1], tokens) },
          (builder) => [buildElementProbe(builder, 'x', type, 'tokens')],
        );
        const isPreferred = (i: number): boolean =>
          tokens[Math.floor(i / (h * s * d)) * s + (Math.floor(i / d) % s)]!;
        const preferred = values.findIndex((x, i) => isBad(x) && isPreferred(i));
        const first = preferred >= 0 ? preferred : Math.max(0, values.findIndex(isBad));
        expect(named(ELEMENT_ROWS, output!)).toEqual({
          nan: Number(values.some(Number.isNaN)),
          posInf: Number(values.includes(Infinity)),
          negInf: Number(values.includes(-Infinity)),
          largest: largestOf(values),
          index: first,
          value: values[first],
          rank: preferred >= 0 ? 2 : Number(values.some(isBad)),
        });
      }),
      { numRuns: 60 },
    );
  });

  it('reads float16, bfloat16 and integers', async () => {
    const outputs = await compute({ x: float32([2, 2], [1, -70000, NaN, 2]) }, (builder) =>
      [DataType.FLOAT16, DataType.BFLOAT16, DataType.INT64].map((type) =>
        buildElementProbe(
          builder,
          builder.cast(type === DataType.INT64 ? builder.float(7) : 'x', type),
          type,
          null,
        ),
      ),
    );
    const [half, brain, integer] = outputs.map((output) => named(ELEMENT_ROWS, output));
    expect(half).toEqual({
      nan: 1,
      posInf: 0,
      negInf: 1,
      largest: 2,
      index: 1,
      value: -Infinity,
      rank: 1,
    });
    expect(brain).toEqual({
      nan: 1,
      posInf: 0,
      negInf: 0,
      largest: 70144,
      index: 2,
      value: NaN,
      rank: 1,
    });
    expect(integer).toEqual({
      nan: 0,
      posInf: 0,
      negInf: 0,
      largest: 7,
      index: 0,
      value: 7,
      rank: 0,
    });
  });

  it('takes an empty tensor for finite', async () => {
    const [output] = await compute({ x: float32([2, 0, 3], []) }, (builder) => [
      buildElementProbe(builder, 'x', DataType.FLOAT, null),
    ]);
    expect(named(ELEMENT_ROWS, output!)).toEqual({
      nan: 0,
      posInf: 0,
      negInf: 0,
      largest: -1,
      index: 0,
      value: 0,
      rank: 0,
    });
  });

  it('sees the largest float64, which float32 has not', async () => {
    const [output] = await compute(
      { x: { type: 'float64', dims: [2], data: Float64Array.of(1e300, Infinity) } },
      (builder) => [buildElementProbe(builder, 'x', DataType.DOUBLE, null)],
    );
    expect(named(ELEMENT_ROWS, output!)).toMatchObject({ posInf: 1, largest: 1e300, index: 1 });
  });
});

describe('a row probe', () => {
  it('finds the first row of the tokens asked for, else the first of all, and counts', async () => {
    await fc.assert(
      fc.asyncProperty(attention, async ({ dims, values, tokens }) => {
        const [b, h, s, d] = dims;
        const [probe, row] = await compute(
          { x: float32(dims, values), tokens: bool([b, 1, s, 1], tokens) },
          (builder) => {
            const found = buildRowProbe(builder, 'x', 'tokens');
            return [found.probe, buildRow(builder, 'x', found.row)];
          },
        );
        const rows = Array.from({ length: b * h * s }, (_, i) => values.slice(i * d, (i + 1) * d));
        const isAsked = (i: number): boolean => tokens[Math.floor(i / (h * s)) * s + (i % s)]!;
        const asked = rows.findIndex((each, i) => each.some(isBad) && isAsked(i));
        const first =
          asked >= 0
            ? asked
            : Math.max(
                0,
                rows.findIndex((each) => each.some(isBad)),
              );
        const counted = rows.filter((_, i) => isAsked(i)).flat();
        expect(named(ROW_ROWS, probe!)).toEqual({
          row: first,
          rank: asked >= 0 ? 2 : Number(values.some(isBad)),
          nan: counted.filter(Number.isNaN).length,
          inf: counted.filter((x) => Math.abs(x) === Infinity).length,
        });
        expect([...row!.data]).toEqual(rows[first]);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the rest', () => {
  it('finds the largest finite magnitude, and −1 where there is none', async () => {
    const [some, none] = await compute(
      { x: float32([2, 2], [NaN, -3, 2, Infinity]), y: float32([1, 2], [NaN, -Infinity]) },
      (builder) => [
        buildLargest(builder, 'x', DataType.FLOAT),
        buildLargest(builder, 'y', DataType.UNDEFINED),
      ],
    );
    expect([some!.data[0], none!.data[0]]).toEqual([3, -1]);
  });

  it('puts 0 in place of what is not finite and keeps the type', async () => {
    const x = float32([2, 2], [NaN, -3, -Infinity, 2]);
    const [single, half] = await compute({ x }, (builder) => [
      buildFinite(builder, 'x', DataType.FLOAT),
      buildFinite(builder, builder.cast('x', DataType.FLOAT16), DataType.FLOAT16),
    ]);
    expect([...single!.data]).toEqual([0, -3, 0, 2]);
    expect([half!.type, ...half!.data]).toEqual(['float16', 0, -3, 0, 2]);
  });
});

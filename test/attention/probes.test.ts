import { describe, expect, it } from 'vitest';
import { buildProbe, PROBE_ROWS, type ProbeLayout } from '../../src/attention/probes.js';
import type { TensorData } from '../../src/types.js';
import { compute } from '../support/tinyGraph.js';

type ProbeRow = (typeof PROBE_ROWS)[number];
type Vectors = readonly (readonly number[])[];

const [BATCH, HEADS, LENGTH, SIZE] = [2, 2, 3, 2];
const TOKENS = BATCH * LENGTH;

/** One vector a token as a tensor of the layout: heads before positions in BHSD. */
function tensor(tokens: Vectors, layout: ProbeLayout, type: 'float32' | 'float64'): TensorData {
  const data =
    layout === 'BSD'
      ? tokens.flat()
      : Array.from({ length: TOKENS * HEADS * SIZE }, (_, i) => {
          const [d, s, h, b] = [
            i % SIZE,
            Math.floor(i / SIZE) % LENGTH,
            Math.floor(i / (SIZE * LENGTH)) % HEADS,
            Math.floor(i / (SIZE * LENGTH * HEADS)),
          ];
          return tokens[b * LENGTH + s]![h * SIZE + d]!;
        });
  return {
    type,
    dims: layout === 'BSD' ? [BATCH, LENGTH, HEADS * SIZE] : [BATCH, HEADS, LENGTH, SIZE],
    data: type === 'float32' ? Float32Array.from(data) : Float64Array.from(data),
  };
}

const vectors = (seed: number, spread: number): number[][] =>
  Array.from({ length: TOKENS }, (_, token) =>
    Array.from({ length: HEADS * SIZE }, (__, i) =>
      Math.fround(spread * Math.sin(seed + 7 * token + 3 * i)),
    ),
  );
const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);
const norm = (values: readonly number[]): number =>
  Math.sqrt(sum(values.map((value) => value ** 2)));

/** What each row is of one token, by its formula in float64. */
const ORACLE: Readonly<
  Record<
    ProbeRow,
    (x: readonly number[], reference: readonly number[], truth: readonly number[]) => number
  >
> = {
  maxAbs: (x, reference) => Math.max(...x.map((value, i) => Math.abs(value - reference[i]!))),
  l2Delta: (x, reference) => norm(x.map((value, i) => value - reference[i]!)),
  l2: (x) => norm(x),
  dot: (x, reference) => sum(x.map((value, i) => value * reference[i]!)),
  sumDelta: (x, reference) => sum(x.map((value, i) => value - reference[i]!)),
  nan: (x) => x.filter(Number.isNaN).length,
  inf: (x) => x.filter((value) => Math.abs(value) === Infinity).length,
  maxAbsExact: (x, _, truth) => Math.max(...x.map((value, i) => Math.abs(value - truth[i]!))),
  l2DeltaExact: (x, _, truth) => norm(x.map((value, i) => value - truth[i]!)),
  l2Exact: (_, __, truth) => norm(truth),
  sumDeltaExact: (x, _, truth) => sum(x.map((value, i) => value - truth[i]!)),
};

/** Each stream's values of each row, [tokens]. */
async function probe(
  streams: Vectors[],
  reference: Vectors,
  truth: Vectors,
  layout: ProbeLayout,
): Promise<Record<ProbeRow, number[]>[]> {
  const names = streams.map((_, i) => `x${i}`);
  const feeds = {
    ...Object.fromEntries(
      streams.map((stream, i) => [names[i]!, tensor(stream, layout, 'float32')]),
    ),
    reference: tensor(reference, layout, 'float32'),
    truth: tensor(truth, layout, 'float64'),
  };
  const [output] = await compute(feeds, (builder) => [
    buildProbe(builder, names, 'reference', layout, 'truth'),
  ]);
  expect(output!.dims).toEqual([PROBE_ROWS.length, streams.length, BATCH, LENGTH]);
  const values = [...(output!.data as Float64Array)];
  return streams.map(
    (_, stream) =>
      Object.fromEntries(
        PROBE_ROWS.map((name, row) => [
          name,
          values.slice(
            (row * streams.length + stream) * TOKENS,
            (row * streams.length + stream + 1) * TOKENS,
          ),
        ]),
      ) as Record<ProbeRow, number[]>,
  );
}

describe.each<ProbeLayout>(['BSD', 'BHSD'])('a probe of %s', (layout) => {
  // The truth is far from the reference, so that no row can be taken from the wrong difference.
  const [reference, truth, streams] = [
    vectors(1, 2),
    vectors(5, 30),
    [vectors(2, 3), vectors(3, 0.5)],
  ];

  it('gives every row of every stream as its formula does in float64', async () => {
    const found = await probe(streams, reference, truth, layout);
    for (const [i, stream] of streams.entries()) {
      for (const row of PROBE_ROWS) {
        const expected = stream.map((x, token) => ORACLE[row](x, reference[token]!, truth[token]!));
        for (const [token, value] of expected.entries())
          expect(
            Math.abs(found[i]![row][token]! - value),
            `${row} of token ${token}`,
          ).toBeLessThanOrEqual(1e-13 * (1 + Math.abs(value)));
      }
    }
  });

  it('counts NaN and Inf of its own stream alone, and leaves NaN in what reads them', async () => {
    const broken = vectors(2, 3).map((x, token) =>
      token === 1 ? [NaN, ...x.slice(1)] : token === 4 ? [Infinity, -Infinity, ...x.slice(2)] : x,
    );
    const brokenReference = reference.map((x, token) => (token === 0 ? [NaN, ...x.slice(1)] : x));
    const [found] = await probe([broken], brokenReference, truth, layout);
    expect([found!.nan, found!.inf]).toEqual([
      [0, 1, 0, 0, 0, 0],
      [0, 0, 0, 0, 2, 0],
    ]);
    expect([0, 1].map((token) => found!.l2Delta[token])).toEqual([NaN, NaN]);
    expect([0, 1].map((token) => Number.isNaN(found!.l2DeltaExact[token]!))).toEqual([false, true]);
    expect([found!.l2[4], found!.l2DeltaExact[4], found!.sumDelta[4]]).toEqual([
      Infinity,
      Infinity,
      NaN,
    ]);
  });
});

import { expect, it } from 'vitest';
import { readRanges } from '../../src/pipeline/ranges.js';
import type { TensorData } from '../../src/types.js';

it('reads each row and head of a layer from its place', () => {
  // maxScore, maxKey, entropySum, rowSumError, zeros, pairs, weightsL2Sum, queries; two heads.
  const data = Float64Array.of(100, 200, 3, 4, 6, 9, 0.125, 0.25, 5, 6, 10, 12, 1, 2, 2, 3);
  const output = (scale: number): TensorData => ({
    type: 'float64',
    dims: [8, 2],
    data: data.map((x, i) => (i < 2 ? x * scale : x)),
  });
  const rows = readRanges(
    {
      ranges: [
        { output: 'a', layer: 0, scale: 0.5 },
        { output: 'b', layer: 7, scale: 0.5 },
      ],
    },
    { b: output(10), a: output(1) },
    { name: 'left' },
  );
  const heads = [
    { head: null, maxKey: 4, entropy: 3, rowSumError: 0.25, underflow: 0.5, weightsL2: 0.6 },
    { head: 0, maxKey: 3, entropy: 3, rowSumError: 0.125, underflow: 0.5, weightsL2: 0.5 },
    { head: 1, maxKey: 4, entropy: 3, rowSumError: 0.25, underflow: 0.5, weightsL2: 2 / 3 },
  ];
  const of = (layer: number, scores: number[]): object[] =>
    heads.map((row, i) => ({
      batch: 'left',
      layer,
      maxScore: scores[i]!,
      scaledScore: scores[i]! / 2,
      headroom: 65504 / scores[i]!,
      ...row,
    }));
  expect(rows).toEqual([...of(0, [200, 100, 200]), ...of(7, [2000, 1000, 2000])]);
});

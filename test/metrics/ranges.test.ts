import { describe, expect, it } from 'vitest';
import { overBatches, rangeRows, type RangeSums } from '../../src/metrics/index.js';
import type { RangeRow } from '../../src/types.js';

/** Two queries over four allowed keys each, weights all alike in one and all on one key in the other. */
const SUMS: RangeSums = {
  maxScore: 655.04,
  maxKey: 3,
  entropySum: Math.log(4),
  rowSumError: 1e-7,
  zeros: 3,
  pairs: 8,
  weightsL2Sum: 1.5,
  queries: 2,
};
const ROW: RangeRow = {
  batch: 'left',
  layer: 0,
  head: null,
  maxScore: 10,
  scaledScore: 1.25,
  headroom: 6550.4,
  maxKey: 3,
  entropy: 1,
  rowSumError: 0,
  underflow: 0,
  weightsL2: 1,
};

describe('rangeRows', () => {
  it('are means over queries, shares over pairs, and the headroom to 65504', () => {
    const rows = rangeRows('left', 3, [SUMS], -0.125);
    const values = {
      maxScore: 655.04,
      scaledScore: 81.88,
      headroom: 65504 / 655.04,
      maxKey: 3,
      entropy: Math.log(4) / 2,
      rowSumError: 1e-7,
      underflow: 3 / 8,
      weightsL2: 0.75,
    };
    expect(rows).toEqual([
      { batch: 'left', layer: 3, head: null, ...values },
      { batch: 'left', layer: 3, head: 0, ...values },
    ]);
  });

  it('take the largest and the mean over heads', () => {
    const other = {
      maxScore: 70000,
      maxKey: 1,
      entropySum: 0,
      rowSumError: 1e-3,
      zeros: 0,
      pairs: 4,
      weightsL2Sum: 1,
      queries: 1,
    };
    expect(rangeRows('left', 0, [SUMS, other], 0.5)[0]).toEqual({
      batch: 'left',
      layer: 0,
      head: null,
      maxScore: 70000,
      scaledScore: 35000,
      headroom: 65504 / 70000,
      maxKey: 3,
      entropy: Math.log(4) / 3,
      rowSumError: 1e-3,
      underflow: 3 / 12,
      weightsL2: 2.5 / 3,
    });
  });

  it('have no headroom under an infinite score, all of it where every score is 0', () => {
    const headroom = (maxScore: number): number =>
      rangeRows('left', 0, [{ ...SUMS, maxScore }], 1)[0]!.headroom;
    expect([headroom(Infinity), headroom(0), headroom(NaN)]).toEqual([0, Infinity, NaN]);
  });

  it.each([0, 1])('show a NaN of head %i for all heads, and keep it from the others', (head) => {
    const broken = {
      ...SUMS,
      maxScore: NaN,
      maxKey: NaN,
      entropySum: NaN,
      rowSumError: NaN,
      weightsL2Sum: NaN,
    };
    const isNan = ({
      maxScore,
      scaledScore,
      headroom,
      maxKey,
      entropy,
      rowSumError,
      underflow,
      weightsL2,
    }: RangeRow): boolean[] =>
      [maxScore, scaledScore, headroom, maxKey, entropy, rowSumError, underflow, weightsL2].map(
        Number.isNaN,
      );
    const rows = rangeRows('left', 0, head === 0 ? [broken, SUMS] : [SUMS, broken], 1);
    expect(isNan(rows[0]!)).not.toContain(false);
    expect(isNan(rows[1 + head]!)).not.toContain(false);
    expect(isNan(rows[2 - head]!)).not.toContain(true);
  });

  it('are none where no query counts', () => {
    const none = {
      maxScore: 0,
      maxKey: 1,
      entropySum: 0,
      rowSumError: 0,
      zeros: 0,
      pairs: 0,
      weightsL2Sum: 0,
      queries: 0,
    };
    expect(rangeRows('left', 0, [none, none], 1)).toEqual([]);
    expect(rangeRows('left', 0, [none, SUMS], 1).map(({ head }) => head)).toEqual([null, 1]);
  });
});

describe('overBatches', () => {
  it('is the worst of some and the mean of others, by layer and head', () => {
    const rows = [
      { ...ROW, layer: 1, head: 0 },
      { ...ROW, layer: 1 },
      ROW,
      {
        ...ROW,
        batch: 'right',
        maxScore: 20,
        scaledScore: 2.5,
        headroom: 3275.2,
        maxKey: 2,
        entropy: 3,
        rowSumError: 1e-3,
        underflow: 0.5,
        weightsL2: 0.5,
      },
    ];
    const { batch: _batch, ...one } = ROW;
    expect(overBatches(rows)).toEqual([
      {
        layer: 0,
        head: null,
        maxScore: 20,
        scaledScore: 2.5,
        headroom: 3275.2,
        maxKey: 3,
        entropy: 2,
        rowSumError: 1e-3,
        underflow: 0.25,
        weightsL2: 0.75,
      },
      { ...one, layer: 1 },
      { ...one, layer: 1, head: 0 },
    ]);
  });

  it.each([
    'maxScore',
    'scaledScore',
    'headroom',
    'maxKey',
    'entropy',
    'rowSumError',
    'underflow',
    'weightsL2',
  ] as const)('is NaN in %s where one batch is, whichever', (field) => {
    const broken = { ...ROW, batch: 'right', [field]: NaN };
    expect([overBatches([ROW, broken])[0]![field], overBatches([broken, ROW])[0]![field]]).toEqual([
      NaN,
      NaN,
    ]);
  });

  it('is nothing of nothing', () => {
    expect(overBatches([])).toEqual([]);
  });
});

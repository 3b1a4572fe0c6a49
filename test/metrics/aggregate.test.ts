import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aggregate, DIVERGENCE, type MeasuredRow } from '../../src/metrics/index.js';
import { batchOf, statsOf } from './stats.js';

function only(rows: MeasuredRow[]): MeasuredRow {
  expect(rows).toHaveLength(1);
  return rows[0]!;
}

describe('aggregate', () => {
  it('computes each metric by its formula', () => {
    const row = only(
      aggregate(
        [
          statsOf(
            [
              [3, 4],
              [1, 0],
            ],
            [
              [3, 0],
              [0, 1],
            ],
          ),
        ],
        [batchOf(['vv'])],
      ),
    );
    expect(row).toMatchObject({
      batch: 'left',
      layer: 0,
      tap: 'attention',
      kind: 'valid',
      tokens: 2,
      maxAbs: 4,
      nan: 0,
      inf: 0,
      zeroRows: 0,
      firstToken: 0,
    });
    expect(row.meanL2).toBeCloseTo((4 + Math.SQRT2) / 2, 14);
    expect(row.relL2).toBeCloseTo(Math.sqrt(18) / Math.sqrt(10), 14);
    expect(row.meanCosine).toBeCloseTo((0.6 + 0) / 2, 14);
    expect(row.minCosine).toBe(0);
    expect(row.bias).toBe(4 / 4);
  });

  it('measures the error against the truth apart from the difference', () => {
    const row = only(aggregate([statsOf([[3, 4]], [[3, 4]], {}, [[0, 4]])], [batchOf(['v'])]));
    expect(row).toMatchObject({ maxAbs: 0, exactMaxAbs: 3, exactRelL2: 3 / 4 });
  });

  it('makes one row for each kind of token that the batch holds', () => {
    const x = [[1], [2], [3], [4]];
    const rows = aggregate([statsOf(x, x)], [batchOf(['mv', 'vv'])]);
    expect(rows.map(({ kind, tokens }) => [kind, tokens])).toEqual([
      ['valid', 3],
      ['fullyMasked', 1],
    ]);
  });

  it('takes zero vectors as cosine 1 where both are zero, 0 where one is', () => {
    const batches = [batchOf(['v'])];
    expect(only(aggregate([statsOf([[0, 0]], [[0, 0]])], batches))).toMatchObject({
      minCosine: 1,
      relL2: 0,
      zeroRows: 1,
    });
    expect(only(aggregate([statsOf([[1, 0]], [[0, 0]])], batches))).toMatchObject({
      minCosine: 0,
      relL2: Infinity,
      zeroRows: 0,
    });
    expect(only(aggregate([statsOf([[0, 0]], [[2, 0]])], batches))).toMatchObject({
      minCosine: 0,
      relL2: 1,
      zeroRows: 1,
    });
  });

  it('clamps a cosine that rounding has pushed beyond 1', () => {
    const stats = statsOf([[1, 1]], [[1, 1.0000001]], { dot: Float64Array.of(2.1) });
    expect(only(aggregate([stats], [batchOf(['v'])])).minCosine).toBe(1);
  });

  it('names the smallest position that diverges, not the first token in row-major order', () => {
    const ref = Array.from({ length: 6 }, () => [1]);
    const x = [[1], [1], [2], [1], [2], [1]];
    expect(only(aggregate([statsOf(x, ref)], [batchOf(['vvv', 'vvv'])])).firstToken).toBe(1);
  });

  it('counts a token as diverged only above DIVERGENCE, and where it is not finite', () => {
    const first = (x: number, ref: number): number | null =>
      only(aggregate([statsOf([[x]], [[ref]])], [batchOf(['v'])])).firstToken;
    expect(first(1 + DIVERGENCE / 2, 1)).toBeNull();
    expect(first(1 + DIVERGENCE * 2, 1)).toBe(0);
    expect(first(0, 0)).toBeNull();
    expect(first(NaN, 1)).toBe(0);
    expect(first(1, NaN)).toBe(0);
    expect(first(Infinity, 1)).toBe(0);
    expect(first(1, Infinity)).toBe(0);
  });

  it('does not call a stream near to an infinite reference', () => {
    const row = only(aggregate([statsOf([[1, 1]], [[Infinity, 1]])], [batchOf(['v'])]));
    expect(row.relL2).toBeNaN();
    expect(row.minCosine).toBeNaN();
    expect(row.maxAbs).toBe(Infinity);
  });

  it('does not call a stream near to a reference whose norm has overflowed', () => {
    const stats = statsOf([[1]], [[2]], { l2Ref: Float64Array.of(Infinity) });
    expect(only(aggregate([stats], [batchOf(['v'])]))).toMatchObject({
      relL2: NaN,
      minCosine: NaN,
    });
  });

  it('signs the bias against exact, whatever the reference is', () => {
    const { bias, exactBias } = only(
      aggregate(
        [
          statsOf(
            [
              [1, 1],
              [4, 1],
            ],
            [
              [2, 3],
              [3, 1],
            ],
            {},
            [
              [1, 0],
              [0, 0],
            ],
          ),
        ],
        [batchOf(['vv'])],
      ),
    );
    expect([bias, exactBias]).toEqual([-2 / 4, 6 / 4]);
  });

  it('signs the bias', () => {
    expect(
      only(
        aggregate(
          [
            statsOf(
              [
                [1, 1],
                [4, 1],
              ],
              [
                [2, 3],
                [3, 1],
              ],
            ),
          ],
          [batchOf(['vv'])],
        ),
      ).bias,
    ).toBe(-2 / 4);
  });

  it('keeps a NaN that the provider left out of its maximum', () => {
    const stats = statsOf([[NaN, 1]], [[1, 1]], {
      maxAbs: Float64Array.of(0),
      l2Delta: Float64Array.of(0),
    });
    expect(only(aggregate([stats], [batchOf(['v'])]))).toMatchObject({
      maxAbs: NaN,
      minCosine: NaN,
      firstToken: 0,
    });
  });

  it('holds for more tokens than a function takes arguments', () => {
    const tokens = 200_000;
    const x = Array.from({ length: tokens }, () => [1]);
    expect(only(aggregate([statsOf(x, x)], [batchOf(['v'.repeat(tokens)])])).tokens).toBe(tokens);
  });

  it('refuses records that do not fit their batch', () => {
    expect(() => aggregate([statsOf([[1]], [[1]])], [batchOf(['vv'])])).toThrow(RangeError);
    expect(() => aggregate([statsOf([[1]], [[1]], { batch: 1 })], [batchOf(['v'])])).toThrow(
      RangeError,
    );
  });
});

const element = fc.double({ min: -1e3, max: 1e3, noNaN: true }).map((v) => Math.fround(v));
const WIDTH = 3;
const vector = fc.array(element, { minLength: WIDTH, maxLength: WIDTH });
const tokens = fc.array(
  fc.record({ x: vector, ref: vector, kind: fc.constantFrom('v', 'p', 'm') }),
  { minLength: 1, maxLength: 12 },
);
type Token = { x: number[]; ref: number[]; kind: string };

function rowsOf(list: readonly Token[]): MeasuredRow[] {
  const batch = batchOf([list.map(({ kind }) => kind).join('')]);
  return aggregate(
    [
      statsOf(
        list.map(({ x }) => x),
        list.map(({ ref }) => ref),
      ),
    ],
    [batch],
  );
}

describe('aggregate, for any tokens', () => {
  it('loses no token and no kind', () => {
    fc.assert(
      fc.property(tokens, (list) => {
        const rows = rowsOf(list);
        expect(rows.reduce((sum, row) => sum + row.tokens, 0)).toBe(list.length);
        expect(new Set(rows.map(({ kind }) => kind)).size).toBe(
          new Set(list.map(({ kind }) => kind)).size,
        );
      }),
    );
  });

  it('gives exact zeros for identical inputs', () => {
    fc.assert(
      fc.property(tokens, (list) => {
        for (const row of rowsOf(list.map((token) => ({ ...token, x: token.ref })))) {
          expect(row).toMatchObject({
            maxAbs: 0,
            meanL2: 0,
            relL2: 0,
            bias: 0,
            meanCosine: 1,
            minCosine: 1,
            firstToken: null,
          });
        }
      }),
    );
  });

  it('never lets a NaN or Inf disappear, and never lets it out of its kind', () => {
    const bad = fc.constantFrom(NaN, Infinity, -Infinity);
    fc.assert(
      fc.property(tokens, fc.nat(), fc.nat(WIDTH - 1), bad, (list, at, element_, value) => {
        const hit = at % list.length;
        const broken = list.map((token, i) =>
          i === hit ? { ...token, x: token.x.with(element_, value) } : token,
        );
        const kinds = { v: 'valid', p: 'padding', m: 'fullyMasked' } as const;
        const hitKind = kinds[list[hit]!.kind as 'v'];
        for (const row of rowsOf(broken)) {
          const isHit = row.kind === hitKind;
          expect(row.nan + row.inf).toBe(isHit ? 1 : 0);
          expect(Number.isFinite(row.maxAbs)).toBe(!isHit);
          expect(Number.isFinite(row.meanL2)).toBe(!isHit);
          expect(Number.isFinite(row.bias)).toBe(!isHit);
          expect(Number.isNaN(row.minCosine)).toBe(isHit);
          expect(Number.isNaN(row.meanCosine)).toBe(isHit);
          expect(row.firstToken === null && isHit).toBe(false);
        }
      }),
    );
  });

  it('aggregates one kind as if the others were not there', () => {
    fc.assert(
      fc.property(tokens, (list) => {
        const together = rowsOf(list);
        const apart = ['v', 'p', 'm'].flatMap((kind) =>
          rowsOf(list.filter((token) => token.kind === kind)),
        );
        const withoutPosition = (rows: MeasuredRow[]): Partial<MeasuredRow>[] =>
          rows.map(({ firstToken: _, ...row }) => row);
        expect(withoutPosition(together)).toEqual(withoutPosition(apart));
      }),
    );
  });

  it('does not change relL2 and cosine where both tensors are scaled by a power of two', () => {
    fc.assert(
      fc.property(tokens, fc.integer({ min: -20, max: 20 }), (list, power) => {
        const scale = (values: number[]): number[] => values.map((v) => v * 2 ** power);
        const scaled = rowsOf(
          list.map((token) => ({ ...token, x: scale(token.x), ref: scale(token.ref) })),
        );
        rowsOf(list).forEach((row, i) => {
          expect(close(scaled[i]!.relL2, row.relL2)).toBe(true);
          expect(close(scaled[i]!.minCosine, row.minCosine)).toBe(true);
          expect(scaled[i]!.maxAbs).toBe(row.maxAbs * 2 ** power);
        });
      }),
    );
  });

  it('keeps cosines within [−1, 1] and the mean no smaller than the smallest', () => {
    fc.assert(
      fc.property(tokens, (list) => {
        for (const row of rowsOf(list)) {
          expect(row.minCosine).toBeGreaterThanOrEqual(-1);
          expect(row.minCosine).toBeLessThanOrEqual(1);
          expect(row.meanCosine).toBeGreaterThanOrEqual(row.minCosine - 1e-12);
        }
      }),
    );
  });
});

function close(a: number, b: number): boolean {
  return Object.is(a, b) || Math.abs(a - b) <= 1e-9 * Math.abs(b);
}

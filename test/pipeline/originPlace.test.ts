import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { placeOf, tokenDims } from '../../src/pipeline/originPlace.js';

const size = fc.integer({ min: 1, max: 4 });
/** Row, token, head and width, the lengths of head and token axis apart so that a shape tells one from the other. */
const cell = fc
  .record({ batch: size, heads: fc.integer({ min: 2, max: 4 }), width: size })
  .chain(({ batch, heads, width }) =>
    fc.record({
      batch: fc.constant(batch),
      heads: fc.constant(heads),
      width: fc.constant(width),
      length: fc.integer({ min: 5, max: 7 }),
    }),
  )
  .chain((sizes) =>
    fc.record({
      sizes: fc.constant(sizes),
      row: fc.nat(sizes.batch - 1),
      head: fc.nat(sizes.heads - 1),
      query: fc.nat(sizes.length - 1),
      at: fc.nat(sizes.width - 1),
    }),
  );

describe("the place of an element of some node's tensor", () => {
  it('is read from the shapes that activations have', () => {
    fc.assert(
      fc.property(cell, ({ sizes: { batch, length, heads, width }, row, head, query, at }) => {
        const of = (dims: number[], index: number): object =>
          placeOf(dims, index, { size: batch, length }, heads);
        expect(of([batch, length, width], (row * length + query) * width + at)).toEqual({
          row,
          head: null,
          query,
          key: null,
        });
        expect(
          of([batch, heads, length, width], ((row * heads + head) * length + query) * width + at),
        ).toEqual({ row, head, query, key: null });
        expect(
          of([batch, length, heads, width], ((row * length + query) * heads + head) * width + at),
        ).toEqual({ row, head, query, key: null });
        expect(of([batch * length, width], (row * length + query) * width + at)).toEqual({
          row,
          head: null,
          query,
          key: null,
        });
      }),
    );
  });

  it('has a head only where the axis is that of query heads', () => {
    expect(placeOf([3, 2, 20, 16], 20 * 16, { size: 3, length: 20 }, 4)).toEqual({
      row: 0,
      head: null,
      query: 0,
      key: null,
    });
  });

  it('is not guessed where two axes could be the tokens, or none', () => {
    const nowhere = { row: null, head: null, query: null, key: null };
    expect(placeOf([3, 4, 4, 16], 5, { size: 3, length: 4 }, 4)).toEqual(nowhere);
    expect(placeOf([64, 128], 5, { size: 3, length: 20 }, 4)).toEqual(nowhere);
    expect(placeOf([], 0, { size: 3, length: 20 }, 4)).toEqual(nowhere);
  });
});

describe('the shape of a number per token beside such a tensor', () => {
  it('has the rows and tokens on their axes', () => {
    const batch = { size: 3, length: 20 };
    expect(tokenDims([3, 20, 64], batch, 4)).toEqual([3, 20, 1]);
    expect(tokenDims([3, 4, 20, 16], batch, 4)).toEqual([3, 1, 20, 1]);
    expect(tokenDims([60, 64], batch, 4)).toEqual([60, 1]);
    expect(tokenDims([64, 64], batch, 4)).toBeNull();
  });
});

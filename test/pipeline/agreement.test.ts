import { describe, expect, it } from 'vitest';
import { agreement } from '../../src/pipeline/agreement.js';

describe('numbers compared position by position', () => {
  it('take NaN in the same places for the same result, and go on with the rest', () => {
    expect(agreement([1, NaN, 3], [1, NaN, 4])).toEqual({
      relL2: 1 / Math.hypot(1, 4),
      clash: null,
      nonFinite: 1,
      identical: false,
    });
    expect(agreement([1, NaN, -Infinity], [1, NaN, -Infinity])).toEqual({
      relL2: 0,
      clash: null,
      nonFinite: 2,
      identical: true,
    });
  });

  it.each([
    ['NaN where the other is finite', NaN, 2],
    ['a finite number where the other is NaN', 2, NaN],
    ['infinities of other signs', Infinity, -Infinity],
    ['an infinity where the other is NaN', Infinity, NaN],
  ])('tell of %s, whatever relL2 is', (_, x, reference) => {
    expect(agreement([5, x], [5, reference])).toMatchObject({
      relL2: 0,
      clash: { x, reference },
      nonFinite: 0,
      identical: false,
    });
  });

  it('are ‖x − ref‖/‖ref‖ apart', () =>
    expect(agreement([3, 5], [3, 4]).relL2).toBeCloseTo(0.2, 12));
  it('differ where one of all zeros is not', () =>
    expect(agreement([1], [0]).relL2).toBe(Infinity));
  it('differ in another shape', () =>
    expect(agreement([1], [1, 2])).toMatchObject({ relL2: Infinity, identical: false }));
  it('are not the same bits where the signs of zeros differ', () =>
    expect(agreement([0], [-0])).toMatchObject({ relL2: 0, identical: false }));
  it('leave out what is not meant', () =>
    expect(agreement([1, NaN], [1, 2], (i) => i === 0)).toEqual({
      relL2: 0,
      clash: null,
      nonFinite: 0,
      identical: true,
    }));
});

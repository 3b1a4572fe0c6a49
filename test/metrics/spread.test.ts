import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { spread } from '../../src/metrics/index.js';
import { median } from '../../src/metrics/spread.js';

/** Multiples of a power of two, with which nothing here is rounded. */
const seconds = fc.array(
  fc.nat(2 ** 30).map((units) => units / 2 ** 20),
  { minLength: 1, maxLength: 40 },
);

describe('median', () => {
  it.each([
    [[3], 3],
    [[3, 1], 2],
    [[9, 1, 2], 2],
    [[4, 1, 3, 2], 2.5],
  ])('of %j is %d', (values, expected) => expect(median(values)).toBe(expected));

  it('has half of the numbers on either side, and changes neither them nor with their order', () => {
    fc.assert(
      fc.property(seconds, (values) => {
        const before = [...values];
        const middle = median(values);
        expect(values.filter((value) => value < middle).length).toBeLessThanOrEqual(
          values.length / 2,
        );
        expect(values.filter((value) => value > middle).length).toBeLessThanOrEqual(
          values.length / 2,
        );
        expect(values).toEqual(before);
        expect(median(values.toReversed())).toBe(middle);
      }),
    );
  });

  it.each([[[]], [[1, NaN, 2]]])('of %j is NaN', (values) => expect(median(values)).toBeNaN());
});

describe('spread', () => {
  it('is the median absolute deviation beside the extremes', () => {
    // Deviations from 3: 2, 1, 0, 1, 97.
    expect(spread([1, 2, 3, 4, 100])).toEqual({ median: 3, min: 1, max: 100, mad: 1 });
    expect(spread([0.5])).toEqual({ median: 0.5, min: 0.5, max: 0.5, mad: 0 });
  });

  it('lies within the extremes, and is 0 where most passes take as long', () => {
    fc.assert(
      fc.property(seconds, (values) => {
        const { median: middle, min, max, mad } = spread(values);
        expect(min <= middle && middle <= max).toBe(true);
        expect(mad >= 0 && mad <= max - min).toBe(true);
        expect(spread([...values, ...values.map(() => 7), 7]).mad).toBe(0);
      }),
    );
  });

  it('goes along with the unit', () => {
    fc.assert(
      fc.property(seconds, (values) => {
        const { mad } = spread(values);
        expect(spread(values.map((value) => value * 1000)).mad).toBe(mad * 1000);
      }),
    );
  });

  it.each([[[]], [[1, NaN, 2]]])('of %j is NaN', (values) =>
    expect(spread(values)).toEqual({ median: NaN, min: NaN, max: NaN, mad: NaN }),
  );
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { headOrders, nextScales, nextWindows, SCALE_GRID } from '../../src/metrics/index.js';

const SCORES = [
  [3.1, -2.2, 0.4, 5.9],
  [-4.4, 1.3, 2.6, 0.1],
  [6.2, 5.7, -3, -1.5],
];
const VALUES = [1.5, -0.7, 0.2, -1.1];
/** Attention of three queries on four scalar values, its scores times a factor. */
function attention(factor: number): number[] {
  return SCORES.map((row) => {
    const powers = row.map((score) => Math.exp((score - Math.max(...row)) * factor));
    return (
      powers.reduce((sum, power, key) => sum + power * VALUES[key]!, 0) /
      powers.reduce((a, b) => a + b)
    );
  });
}
const distance = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0);

describe('nextScales', () => {
  const search = (factor: number): { found: number; rounds: number } => {
    const measure = (value: number) => ({
      value,
      squared: distance(attention(value), attention(factor)),
    });
    const tried = [1, ...SCALE_GRID].map(measure);
    let rounds = 0;
    for (; rounds < 20; rounds++) {
      const next = nextScales(tried, 1e-16);
      if (next.length === 0) break;
      tried.push(...next.map(measure));
    }
    return {
      found: tried.reduce((best, each) => (each.squared < best.squared ? each : best)).value,
      rounds,
    };
  };

  it('finds any factor to four digits within eight rounds', () => {
    fc.assert(
      fc.property(fc.double({ min: -4, max: 2.5, noNaN: true }), (power) => {
        const factor = 2 ** power;
        const { found, rounds } = search(factor);
        expect(rounds).toBeLessThanOrEqual(8);
        expect(Math.abs(found / factor - 1)).toBeLessThan(1e-4);
      }),
    );
  });
  it('finds one that is 1 part in 100,000 off', () =>
    expect(search(1.00001).found).toBeCloseTo(1.00001, 8));
  it('goes beyond its grid', () => expect(search(0.02).found).toBeCloseTo(0.02, 4));
  it('ends at once where the grid has it', () => expect(search(2).rounds).toBe(0));
  it('passes over NaN', () =>
    expect(
      nextScales(
        [
          { value: 1, squared: NaN },
          { value: 2, squared: 1 },
          { value: 4, squared: 0.5 },
          { value: 8, squared: 2 },
        ],
        0,
      ).length,
    ).toBe(5));
});

describe('nextWindows', () => {
  const search = (window: number, length: number): number => {
    const measure = (value: number) => ({ value, squared: Math.abs(value - window) ** 1.5 });
    const tried = [
      length,
      ...Array.from({ length: 12 }, (_, power) => 2 ** power).filter((value) => value < length),
    ].map(measure);
    for (let round = 0; round < 6; round++) tried.push(...nextWindows(tried).map(measure));
    return tried.reduce((best, each) => (each.squared < best.squared ? each : best)).value;
  };
  it('finds every window from 1 to 3000 of 3001 tokens', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), (window) => {
        expect(search(window, 3001)).toBe(window);
      }),
    );
  });
  it('ends where the neighbours of the best are tried', () =>
    expect(
      nextWindows([
        { value: 4, squared: 1 },
        { value: 5, squared: 0 },
        { value: 6, squared: 1 },
      ]),
    ).toEqual([]));
});

describe('headOrders', () => {
  it('swaps two heads', () => expect(headOrders([1, 2], 4, 2)).toEqual([[0, 2, 1, 3]]));
  it('tries each order in which three heads all stand elsewhere', () =>
    expect(headOrders([0, 1, 3], 4, 2).toSorted()).toEqual([
      [1, 3, 2, 0],
      [3, 0, 2, 1],
    ]));
  it('leaves the heads alone that do not differ', () => {
    fc.assert(
      fc.property(fc.subarray([0, 1, 2, 3, 4, 5, 6, 7]), (moved) => {
        for (const order of headOrders(moved, 8, 2)) {
          expect(order.toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
          expect(moved).toEqual(
            expect.arrayContaining(order.filter((from, head) => from !== head)),
          );
        }
      }),
    );
  });
  it('turns eight heads by one and regroups them', () => {
    const orders = headOrders([0, 1, 2, 3, 4, 5, 6, 7], 8, 2);
    expect(orders).toContainEqual([1, 2, 3, 4, 5, 6, 7, 0]);
    expect(headOrders([1, 2, 3, 4, 5, 6], 8, 2)).toContainEqual([0, 4, 1, 5, 2, 6, 3, 7]);
  });
  it('has nothing for one head', () => expect(headOrders([2], 4, 2)).toEqual([]));
});

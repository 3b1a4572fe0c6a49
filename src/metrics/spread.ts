import type { Spread } from '../bench.js';

/** The middle of some numbers, or the mean of the two in the middle; NaN of none, and where one is NaN. */
export function median(values: readonly number[]): number {
  if (values.some(Number.isNaN)) return NaN;
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/**
 * Where some numbers lie and how far they spread: median, smallest, largest, and the median absolute deviation
 * median |x − median(x)|, all in the unit of the numbers. All are NaN of none, and where one is NaN.
 */
export function spread(values: readonly number[]): Spread {
  const middle = median(values);
  if (Number.isNaN(middle)) return { median: NaN, min: NaN, max: NaN, mad: NaN };
  return {
    median: middle,
    min: Math.min(...values),
    max: Math.max(...values),
    mad: median(values.map((value) => Math.abs(value - middle))),
  };
}

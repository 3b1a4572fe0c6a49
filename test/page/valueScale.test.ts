import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { valueScale } from '../../src/page/valueScale.js';

const anyNumber = fc.oneof(
  fc.double({ min: 1e-30, max: 1e30, noNaN: true }),
  fc.constantFrom(0, NaN, Infinity),
);

describe.each([
  ['logarithmic', true],
  ['linear', false],
] as const)('a %s axis', (_name, isLog) => {
  test('has a place for every number, and one above all numbers for what is not finite', () => {
    fc.assert(
      fc.property(fc.array(anyNumber, { minLength: 1, maxLength: 20 }), (values) => {
        const {
          domain: [low, high],
          ticks,
          place,
        } = valueScale(values, isLog);
        const largest = Math.max(...values.filter(Number.isFinite));
        for (const value of values) {
          const { at, kind } = place(value);
          expect(at).toBeGreaterThanOrEqual(low * (1 - 1e-9));
          expect(at).toBeLessThanOrEqual(high * (1 + 1e-9));
          expect(kind === 'nan').toBe(Number.isNaN(value));
          expect(kind === 'inf').toBe(value === Infinity);
          expect(Number.isFinite(value) || largest === -Infinity || at > place(largest).at).toBe(
            true,
          );
        }
        expect(ticks.length).toBeGreaterThan(0);
        expect(ticks.length).toBeLessThanOrEqual(12);
      }),
    );
  });

  test('names what stands above the numbers', () => {
    expect(valueScale([1, NaN], isLog).ticks.at(-1)!.text).toBe('NaN');
    expect(valueScale([1, NaN, Infinity], isLog).ticks.at(-1)!.text).toBe('NaN, Inf');
    expect(valueScale([1, 2], isLog).ticks.at(-1)!.text).not.toMatch(/NaN|Inf/);
  });
});

test('on a logarithmic axis exact zeros stand below the least decade, and say so', () => {
  const { place, ticks, domain } = valueScale([0, 2e-7, 3e-5], true);
  expect(place(0)).toEqual({ at: 1e-8, kind: 'zero' });
  expect(domain[0]).toBe(1e-8);
  expect(ticks.map(({ text }) => text)).toEqual(['0', '1e-7', '1e-6', '1e-5', '1e-4']);
  expect(valueScale([2e-7], true).ticks.map(({ text }) => text)).toEqual(['1e-7', '1e-6']);
});

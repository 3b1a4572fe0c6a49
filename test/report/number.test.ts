import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatCosine,
  formatLimit,
  formatNumber,
  formatSigned,
} from '../../src/report/text/number.js';

describe('numbers for a reader', () => {
  it.each([
    [0, '0'],
    [-0, '0'],
    [1.2345e-7, '1.23e-7'],
    [0.0123456, '0.0123'],
    [0.5, '0.500'],
    [12.345, '12.3'],
    [1234.5, '1235'],
    [1e9, '1.00e+9'],
    [NaN, 'NaN'],
    [Infinity, 'Inf'],
    [-Infinity, '-Inf'],
    [-0.25, '-0.250'],
  ])('writes %d as %s', (value, text) => expect(formatNumber(value)).toBe(text));

  it('shows 0 only for exactly 0', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (value) => {
        expect(formatNumber(value) === '0').toBe(value === 0);
      }),
      { examples: [[5e-324]] },
    );
  });

  it.each([
    [1, '1'],
    [1 - 1e-7, '1 − 1.0e-7'],
    [1 - 2 ** -53, '1 − 1.1e-16'],
    [0.98765, '0.9877'],
    [0, '0.0000'],
    [-1, '-1.0000'],
    [NaN, 'NaN'],
  ])('writes the cosine %d as %s', (value, text) => expect(formatCosine(value)).toBe(text));

  it('signs what is above 0', () => {
    expect([1e-9, 0, -1e-9].map(formatSigned)).toEqual(['+1.00e-9', '0', '-1.00e-9']);
  });

  it('writes limits whole', () => {
    expect([1e-5, 0.00025, 0.9999999, 1, 0, 1e21].map(formatLimit)).toEqual([
      '1e-5',
      '2.5e-4',
      '0.9999999',
      '1',
      '0',
      '1e21',
    ]);
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(Number(formatLimit(value))).toBe(value === 0 ? 0 : value);
      }),
    );
  });

  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.00 KiB'],
    [1536 * 2 ** 20, '1.50 GiB'],
    [512 * 2 ** 20, '512 MiB'],
    [2 ** 52, '4096 TiB'],
  ])('writes %d bytes as %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});

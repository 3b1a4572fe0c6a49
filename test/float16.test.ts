import { describe, expect, it } from 'vitest';
import { float16Bits, float16Numbers, float16ToNumber, numberToFloat16 } from '../src/float16.js';

const VALUES = [
  [0x0000, 0],
  [0x8000, -0],
  [0x3c00, 1],
  [0xc000, -2],
  [0x7bff, 65504],
  [0x0001, 2 ** -24],
  [0x03ff, 1023 * 2 ** -24],
  [0x0400, 2 ** -14],
  [0x7c00, Infinity],
  [0xfc00, -Infinity],
  [0x7e00, NaN],
] as const;

describe('float16', () => {
  it.each(VALUES)('reads %i as %f', (bits, value) => expect(float16ToNumber(bits)).toBe(value));
  it.each(VALUES)('writes %i for %f', (bits, value) => expect(numberToFloat16(value)).toBe(bits));

  // Written out from the definition: halfway between two neighbours goes to the one whose last bit is 0.
  it.each([
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [1 + 2 ** -11 + 2 ** -30, 0x3c01],
    [65519.99, 0x7bff],
    [65520, 0x7c00],
    [2 - 2 ** -12, 0x4000],
    [2 ** -25, 0x0000],
    [2 ** -25 * 1.01, 0x0001],
    [-(2 ** -14 - 2 ** -26), 0x8400],
  ])('rounds %f to %i', (value, bits) => expect(numberToFloat16(value)).toBe(bits));

  it('comes back as it was, every pattern of the 65,536 but for what a NaN carries', () => {
    const all = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits);
    const numbers = float16Numbers(all);
    const back = float16Bits(numbers);
    expect(
      all.filter((bits, i) => (Number.isNaN(numbers[i]) ? back[i] !== 0x7e00 : back[i] !== bits)),
    ).toEqual(new Uint16Array());
  });
});

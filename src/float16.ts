/** IEEE 754 binary16 numbers and their bit patterns. */

/** The value of a binary16 bit pattern; infinities and NaN included. */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0
    ? sign * fraction * 2 ** -24
    : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/**
 * The bit pattern of the binary16 number nearest to a number, ties to even. Magnitudes from 65520 on become infinite;
 * NaN is the quiet NaN 0x7e00; the sign of zero is kept.
 */
export function numberToFloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  // Below the smallest normal number steps are as there.
  const exponent = Math.max(-14, Math.floor(Math.log2(magnitude)));
  const steps = roundToEven(magnitude / 2 ** (exponent - 10));
  // A carry out of the fraction goes on into the exponent, as it should.
  return sign | (steps + (exponent + 14) * 1024);
}

/** The numbers that bit patterns stand for, each exactly. */
export function float16Numbers(bits: Uint16Array): Float32Array {
  const known = knownNumbers();
  const numbers = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) numbers[i] = known[bits[i]!]!;
  return numbers;
}

/** The bit patterns of numbers, rounded as {@link numberToFloat16} does. */
export function float16Bits(numbers: Float32Array): Uint16Array {
  return Uint16Array.from(numbers, numberToFloat16);
}

let table: Float32Array | undefined;

/** The number of every bit pattern. */
function knownNumbers(): Float32Array {
  return (table ??= Float32Array.from({ length: 2 ** 16 }, (_, bits) => float16ToNumber(bits)));
}

function roundToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}

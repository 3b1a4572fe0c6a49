import type { TensorData } from '../types.js';

/**
 * Whether a tensor says nothing of its tokens: every element is finite, and all tokens have the same values, or each of
 * them one value throughout, up to rounding. Weights that are all zero come to that.
 *
 * @param tensor [B,S,W] or [B,H,S,D]
 * @param isMeant tokens that count, by their place in [B·S]; where none does, nothing is constant
 * @param rounding what elements may differ by, relative to the largest magnitude of the token that they are held against
 */
export function isConstantByToken(
  tensor: TensorData,
  isMeant: (token: number) => boolean,
  rounding: number,
): boolean {
  const tokens = tensor.dims[0]! * tensor.dims.at(-2)!;
  const meant = Array.from({ length: tokens }, (_, token) => token)
    .filter(isMeant)
    .map((token) => valuesOf(tensor, token));
  const [first] = meant;
  if (!first || meant.some((values) => !values.every(Number.isFinite))) return false;
  return (
    meant.every((values) => isNear(values, (i) => first[i]!, rounding * largest(first))) ||
    meant.every((values) => isNear(values, () => values[0]!, rounding * largest(values)))
  );
}

function valuesOf({ dims, data }: TensorData, token: number): Float64Array {
  const [length, width] = dims.slice(-2) as [number, number];
  const planes = dims.length === 4 ? dims[1]! : 1;
  return Float64Array.from({ length: planes * width }, (_, i) => {
    const plane = Math.floor(token / length) * planes + Math.floor(i / width);
    return Number(data[(plane * length + (token % length)) * width + (i % width)]);
  });
}

function isNear(values: Float64Array, wanted: (i: number) => number, distance: number): boolean {
  return values.every((value, i) => Math.abs(value - wanted(i)) <= distance);
}

function largest(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

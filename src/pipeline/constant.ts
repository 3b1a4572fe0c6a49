import type { TensorData } from '../types.js';

/**
 * Whether a tensor says nothing of its tokens: every element is finite, and all tokens have the same values, or each of
 * them one value throughout. Weights that are all zero come to that.
 *
 * @param tensor [B,S,W] or [B,H,S,D]
 * @param isMeant tokens that count, by their place in [B·S]; where none does, nothing is constant
 */
export function isConstantByToken({ dims, data }: TensorData, isMeant: (token: number) => boolean): boolean {
  const length = dims.at(-2)!;
  const width = dims.at(-1)!;
  const planes = dims.length === 4 ? dims[1]! : 1;
  const first: number[] = [];
  let isSame = true;
  let isFlat = true;
  for (let token = 0, tokens = dims[0]! * length, begun = -1; token < tokens; token++) {
    if (!isMeant(token)) continue;
    if (begun < 0) begun = token;
    const start = (plane: number): number => ((Math.floor(token / length) * planes + plane) * length + (token % length)) * width;
    for (let plane = 0, at = 0; plane < planes; plane++) {
      for (let i = 0; i < width; i++, at++) {
        const value = Number(data[start(plane) + i]);
        if (!Number.isFinite(value)) return false;
        if (token === begun) first.push(value);
        isSame &&= value === first[at];
        isFlat &&= value === Number(data[start(0)]);
      }
    }
    if (!isSame && !isFlat) return false;
  }
  return first.length > 0;
}

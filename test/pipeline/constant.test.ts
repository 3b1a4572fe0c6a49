import { describe, expect, it } from 'vitest';
import { isConstantByToken } from '../../src/pipeline/constant.js';
import type { TensorData } from '../../src/types.js';

const of = (dims: number[], ...values: number[]): TensorData => ({
  type: 'float32',
  dims,
  data: Float32Array.from(values),
});
const all = (): boolean => true;

describe('a tensor that says nothing of its tokens', () => {
  it('is zero throughout, or has the same values for all of them', () => {
    expect(isConstantByToken(of([1, 2, 2], 0, 0, 0, 0), all, 1e-5)).toBe(true);
    expect(isConstantByToken(of([1, 3, 2], 1, 2, 1, 2, 1, 2), all, 1e-5)).toBe(true);
  });

  it('has one value throughout each token, as logits without an argument for any entry', () => {
    expect(isConstantByToken(of([1, 2, 2], 1, 1, 5, 5), all, 1e-5)).toBe(true);
    expect(isConstantByToken(of([1, 3, 2], 1, 1, 1, 1, 1, 2), all, 1e-5)).toBe(false);
  });

  it('is not one in which a single element of one token differs', () => {
    expect(isConstantByToken(of([1, 3, 2], 1, 2, 1, 2, 1, 2.0001), all, 1e-5)).toBe(false);
  });

  it('is one that rounding alone tells apart', () => {
    expect(isConstantByToken(of([1, 2, 2], 1, 2, 1.000001, 1.999999), all, 1e-5)).toBe(true);
    expect(isConstantByToken(of([1, 2, 2], 1, 2, 1.000001, 1.999999), all, 1e-7)).toBe(false);
  });

  it('has its heads compared with themselves: [B,H,S,D]', () => {
    // Head 0 is 1 2 for both tokens, head 1 is 3 4.
    expect(isConstantByToken(of([1, 2, 2, 2], 1, 2, 1, 2, 3, 4, 3, 4), all, 1e-5)).toBe(true);
    expect(isConstantByToken(of([1, 2, 2, 2], 1, 2, 3, 4, 1, 2, 3, 4), all, 1e-5)).toBe(false);
  });

  it('is so by the tokens that count alone', () => {
    expect(isConstantByToken(of([1, 3, 2], 9, 8, 1, 2, 1, 2), (token) => token > 0, 1e-5)).toBe(
      true,
    );
    expect(isConstantByToken(of([1, 1, 2], 1, 1), () => false, 1e-5)).toBe(false);
  });

  it('is none with NaN or an infinity in it, which is told of as what it is', () => {
    expect(isConstantByToken(of([1, 2, 1], NaN, NaN), all, 1e-5)).toBe(false);
    expect(isConstantByToken(of([1, 2, 1], Infinity, Infinity), all, 1e-5)).toBe(false);
  });
});

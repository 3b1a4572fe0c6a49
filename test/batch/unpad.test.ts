import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { unpadIndices } from '../../src/batch/index.js';
import { pad, paddedArb } from './batches.js';

describe('unpadIndices', () => {
  test('moves a left-padded row to the right', () => {
    expect(unpadIndices(pad([[1, 2, 3], [4, 5]], 'left'))).toEqual({
      gather: BigInt64Array.of(0n, 1n, 2n, 4n, 5n, 4n),
      scatter: BigInt64Array.of(0n, 1n, 2n, 6n, 3n, 4n),
      seqlensK: Int32Array.of(2, 1),
    });
  });

  test('leaves right-padded rows where they are', () => {
    expect(unpadIndices(pad([[1, 2, 3], [4, 5]], 'right'))).toEqual({
      gather: BigInt64Array.of(0n, 1n, 2n, 3n, 4n, 3n),
      scatter: BigInt64Array.of(0n, 1n, 2n, 3n, 4n, 6n),
      seqlensK: Int32Array.of(2, 1),
    });
  });

  test('a row without valid tokens is an error', () => {
    expect(() => unpadIndices({ size: 2, length: 1, attentionMask: BigInt64Array.of(1n, 0n) })).toThrow(
      expect.objectContaining({ code: 'prompt-no-tokens', args: { prompt: '#2' } }),
    );
  });

  test('scatter after gather gives back valid tokens and zeros elsewhere, for any mask', () => {
    fc.assert(
      fc.property(paddedArb, (batch) => {
        const { size, length, attentionMask } = batch;
        const { gather, scatter, seqlensK } = unpadIndices(batch);
        const tokens = Array.from(attentionMask, (_, i) => i + 1);
        const unpadded = Array.from(gather, (from) => tokens[Number(from)]);
        const back = Array.from(scatter, (from) => [...unpadded, 0][Number(from)]);
        expect(back).toEqual(tokens.map((token, i) => (attentionMask[i] === 1n ? token : 0)));

        for (let b = 0; b < size; b++) {
          const row = [...gather.subarray(b * length, (b + 1) * length)].map(Number);
          const valid = tokens.map((token) => token - 1).filter((i) => Math.floor(i / length) === b && attentionMask[i] === 1n);
          expect(row).toEqual([...valid, ...Array.from({ length: length - valid.length }, () => valid[0])]);
          expect(seqlensK[b]).toBe(valid.length - 1);
        }
      }),
    );
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allowedMask, rowHasKey } from '../../src/batch/index.js';
import { pad, paddedArb, windowArb } from './batches.js';

describe('allowedMask', () => {
  test('left padding leaves its own queries without a key', () => {
    const batch = pad([[1, 2, 3], [4, 5]], 'left');
    expect([...allowedMask(batch, null)].join('')).toBe('100110111000010011');
    expect([...rowHasKey(batch, null)].join('')).toBe('111011');
  });

  test('a window of w lets a query see itself and w − 1 keys before it', () => {
    const batch = pad([[1, 2, 3, 4], [5]], 'right');
    expect([...allowedMask(batch, 2)].join('')).toBe('10001100011000111000100000000000');
    expect([...rowHasKey(batch, 2)].join('')).toBe('11111100');
  });

  test('holds its definition for any mask', () => {
    fc.assert(
      fc.property(paddedArb, windowArb, (batch, window) => {
        const { size, length, attentionMask } = batch;
        const allowed = allowedMask(batch, window);
        const has = rowHasKey(batch, window);
        expect([allowed.length, has.length]).toEqual([size * length * length, size * length]);
        for (let b = 0; b < size; b++) {
          for (let q = 0; q < length; q++) {
            let any = 0;
            for (let k = 0; k < length; k++) {
              const may = k <= q && attentionMask[b * length + k] === 1n && (window === null || q - k < window) ? 1 : 0;
              any |= may;
              expect(allowed[(b * length + q) * length + k]).toBe(may);
            }
            expect(has[b * length + q]).toBe(any);
          }
        }
      }),
    );
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allowedMask, PLAIN_MASK } from '../../src/batch/index.js';
import { lengthArb, pad, sequencesArb, sideArb } from './batches.js';

describe('buildBatch', () => {
  test('pads on the right', () => {
    expect(pad([[5, 6, 7], [8]], 'right')).toEqual({
      name: 'right',
      padding: 'right',
      source: 'test',
      size: 2,
      length: 3,
      inputIds: BigInt64Array.of(5n, 6n, 7n, 8n, 100n, 100n),
      attentionMask: BigInt64Array.of(1n, 1n, 1n, 1n, 0n, 0n),
      positionIds: BigInt64Array.of(0n, 1n, 2n, 0n, 1n, 1n),
      kinds: ['valid', 'valid', 'valid', 'valid', 'padding', 'padding'],
      documents: null,
      mask: null,
      past: 0,
    });
  });

  test('pads on the left', () => {
    expect(pad([[5, 6, 7], [8]], 'left')).toMatchObject({
      inputIds: BigInt64Array.of(5n, 6n, 7n, 100n, 100n, 8n),
      attentionMask: BigInt64Array.of(1n, 1n, 1n, 0n, 0n, 1n),
      positionIds: BigInt64Array.of(0n, 1n, 2n, 1n, 1n, 0n),
      kinds: ['valid', 'valid', 'valid', 'fullyMasked', 'fullyMasked', 'valid'],
    });
  });

  test('pads up and truncates down to a length, keeping the first tokens', () => {
    expect(pad([[5, 6, 7], [8]], 'left', 2)).toMatchObject({
      length: 2,
      inputIds: BigInt64Array.of(5n, 6n, 100n, 8n),
    });
    expect(pad([[5]], 'right', 3)).toMatchObject({
      length: 3,
      inputIds: BigInt64Array.of(5n, 100n, 100n),
    });
  });

  test('an empty sequence is an error', () => {
    expect(() => pad([[1], []], 'left')).toThrow(
      expect.objectContaining({ code: 'prompt-no-tokens', args: { prompt: '#2' } }),
    );
  });

  test('holds its definition for any sequences', () => {
    fc.assert(
      fc.property(sequencesArb, sideArb, lengthArb, (sequences, side, length) => {
        const batch = pad(sequences, side, length);
        const width = length ?? Math.max(...sequences.map((ids) => ids.length));
        const allowed = allowedMask(batch, PLAIN_MASK).data;
        expect([batch.size, batch.length]).toEqual([sequences.length, width]);
        for (const [b, ids] of sequences.entries()) {
          const row = <T>(array: Iterable<T>): T[] => [...array].slice(b * width, (b + 1) * width);
          const mask = row(batch.attentionMask);
          expect(row(batch.inputIds).filter((_, s) => mask[s] === 1n)).toEqual(
            ids.slice(0, width).map(BigInt),
          );
          expect(mask.indexOf(side === 'left' ? 0n : 1n)).toBeLessThanOrEqual(0);
          let sum = 0n;
          for (let s = 0; s < width; s++) {
            sum += mask[s] ?? 0n;
            const q = b * width + s;
            expect(batch.positionIds[q]).toBe(mask[s] === 1n ? sum - 1n : 1n);
            const anyKey = allowed.subarray(q * width, (q + 1) * width).includes(1);
            expect(batch.kinds[q]).toBe(
              mask[s] === 1n ? 'valid' : anyKey ? 'padding' : 'fullyMasked',
            );
          }
        }
      }),
    );
  });
});

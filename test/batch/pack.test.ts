import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { packRows } from '../../src/batch/pack.js';
import { buildPackedBatch } from '../../src/batch/pad.js';
import type { PaddingSide } from '../../src/types.js';
import { sequencesArb, sideArb } from './batches.js';

const pack = (documents: number[][], length: number, padding: PaddingSide) =>
  buildPackedBatch({
    rows: packRows(documents, length),
    length,
    padding,
    padTokenId: 100,
    source: 'test',
    name: padding,
  });

describe('packRows', () => {
  test('fills rows in order, and cuts what is longer than a row', () => {
    expect(packRows([[1, 2], [3], [4, 5], [6], [7, 8, 9, 10, 11], [12]], 4)).toEqual([
      [[1, 2], [3]],
      [[4, 5], [6]],
      [[7, 8, 9, 10]],
      [[12]],
    ]);
  });

  test('a row is filled to the last token', () => {
    expect(packRows([[1, 2], [3, 4], [5]], 4)).toEqual([
      [
        [1, 2],
        [3, 4],
      ],
      [[5]],
    ]);
  });

  test('keeps order, never overfills, and starts a row only where the document would not fit', () => {
    fc.assert(
      fc.property(sequencesArb, fc.integer({ min: 1, max: 12 }), (documents, length) => {
        const rows = packRows(documents, length);
        expect(rows.flat()).toEqual(documents.map((ids) => ids.slice(0, length)));
        const tokens = rows.map((row) => row.flat().length);
        expect(Math.max(...tokens)).toBeLessThanOrEqual(length);
        for (const [r, row] of rows.slice(1).entries())
          expect(tokens[r]! + row[0]!.length).toBeGreaterThan(length);
      }),
    );
  });
});

describe('buildPackedBatch', () => {
  test('positions and documents restart as they should', () => {
    expect(pack([[5, 6], [7], [8, 9, 10]], 4, 'right')).toEqual({
      name: 'right',
      padding: 'right',
      source: 'test',
      size: 2,
      length: 4,
      inputIds: BigInt64Array.of(5n, 6n, 7n, 100n, 8n, 9n, 10n, 100n),
      attentionMask: BigInt64Array.of(1n, 1n, 1n, 0n, 1n, 1n, 1n, 0n),
      positionIds: BigInt64Array.of(0n, 1n, 0n, 1n, 0n, 1n, 2n, 1n),
      documents: Int32Array.of(0, 0, 1, -1, 0, 0, 0, -1),
      kinds: ['valid', 'valid', 'valid', 'fullyMasked', 'valid', 'valid', 'valid', 'fullyMasked'],
      mask: null,
      past: 0,
    });
    expect(pack([[5, 6], [7], [8, 9, 10]], 4, 'left')).toMatchObject({
      inputIds: BigInt64Array.of(100n, 5n, 6n, 7n, 100n, 8n, 9n, 10n),
      positionIds: BigInt64Array.of(1n, 0n, 1n, 0n, 1n, 0n, 1n, 2n),
      documents: Int32Array.of(-1, 0, 0, 1, -1, 0, 0, 0),
    });
  });

  test('every document is there, by its row and number', () => {
    fc.assert(
      fc.property(
        sequencesArb,
        fc.integer({ min: 1, max: 12 }),
        sideArb,
        (documents, length, side) => {
          const rows = packRows(documents, length);
          const batch = pack(documents, length, side);
          expect([batch.size, batch.length]).toEqual([rows.length, length]);
          for (const [b, row] of rows.entries()) {
            const at = Array.from({ length }, (_, s) => b * length + s);
            for (const [number, ids] of row.entries()) {
              const mine = at.filter((i) => batch.documents![i] === number);
              expect(mine.map((i) => batch.inputIds[i])).toEqual(ids.map(BigInt));
              expect(mine.map((i) => batch.positionIds[i])).toEqual(
                ids.map((_, position) => BigInt(position)),
              );
            }
            const padding = at.filter((i) => batch.documents![i] === -1);
            expect(padding.length).toBe(length - row.flat().length);
            expect(padding).toEqual(
              side === 'left' ? at.slice(0, padding.length) : at.slice(length - padding.length),
            );
            expect(at.filter((i) => batch.attentionMask[i] === 0n)).toEqual(padding);
          }
        },
      ),
    );
  });
});

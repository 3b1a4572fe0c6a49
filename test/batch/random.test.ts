import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mulberry32, randomSequences } from '../../src/batch/random.js';

describe('mulberry32', () => {
  test('gives the numbers of the published generator', () => {
    const random = mulberry32(1);
    expect([random(), random(), random()].map((value) => value * 2 ** 32)).toEqual([
      2693262067, 11749833, 2265367787,
    ]);
  });
});

describe('randomSequences', () => {
  test('has rows of the promised lengths and ids', () => {
    const partsArb = fc.record({
      batch: fc.integer({ min: 1, max: 6 }),
      length: fc.integer({ min: 1, max: 40 }),
      seed: fc.nat(),
      vocabSize: fc.integer({ min: 1, max: 200000 }),
    });
    fc.assert(
      fc.property(partsArb, (parts) => {
        const rows = randomSequences(parts);
        expect(rows).toHaveLength(parts.batch);
        expect(rows[0]).toHaveLength(parts.length);
        for (const row of rows) {
          expect(row.length).toBeGreaterThanOrEqual(Math.ceil(parts.length / 4));
          expect(row.length).toBeLessThanOrEqual(parts.length);
          expect(row.every((id) => Number.isInteger(id) && id >= 0 && id < parts.vocabSize)).toBe(
            true,
          );
        }
        expect(randomSequences(parts)).toEqual(rows);
      }),
    );
  });

  test('reaches both ends of lengths and ids', () => {
    const rows = randomSequences({ batch: 400, length: 8, seed: 0, vocabSize: 3 });
    expect(new Set(rows.slice(1).map((row) => row.length))).toEqual(new Set([2, 3, 4, 5, 6, 7, 8]));
    expect(new Set(rows.flat())).toEqual(new Set([0, 1, 2]));
  });

  test('differs by seed', () => {
    const parts = { batch: 2, length: 16, vocabSize: 512 };
    expect(randomSequences({ ...parts, seed: 1 })).not.toEqual(
      randomSequences({ ...parts, seed: 2 }),
    );
  });
});

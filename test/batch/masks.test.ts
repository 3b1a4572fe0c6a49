import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allowedMask, PLAIN_MASK, rowHasKey } from '../../src/batch/index.js';
import type { Masked } from '../../src/batch/masks.js';
import type { Alignment, BatchMask, MaskSpec } from '../../src/types.js';
import { maskedArb, pad, plain, specArb } from './batches.js';
import { mayLook } from './naive.js';

const bits = (tensor: { data: Uint8Array }): string => [...tensor.data].join('');
const spec = (changes: Partial<MaskSpec>): MaskSpec => ({ ...PLAIN_MASK, ...changes });

describe('allowedMask', () => {
  test('left padding leaves its own queries without a key', () => {
    const batch = pad(
      [
        [1, 2, 3],
        [4, 5],
      ],
      'left',
    );
    expect(bits(allowedMask(batch, PLAIN_MASK))).toBe('100110111000010011');
    expect(bits(rowHasKey(batch, PLAIN_MASK))).toBe('111011');
  });

  test('a window of w lets a query see itself and w − 1 keys before it', () => {
    const batch = pad([[1, 2, 3, 4], [5]], 'right');
    expect(bits(allowedMask(batch, spec({ window: 2 })))).toBe('10001100011000111000100000000000');
    expect(bits(rowHasKey(batch, spec({ window: 2 })))).toBe('11111100');
  });

  test('what each part of the spec does to one left-padded row of three', () => {
    const batch = plain(1, 3, [0, 1, 1]);
    const under = (changes: Partial<MaskSpec>): string => bits(allowedMask(batch, spec(changes)));
    expect(under({})).toBe('000010011');
    expect(under({ causal: false })).toBe('011011011');
    expect(under({ padding: 'ignored' })).toBe('100110111');
    expect(under({ padding: 'flipped' })).toBe('100110110');
    expect(under({ shift: 1 })).toBe('010011011');
    expect(under({ shift: -1 })).toBe('000000010');
    expect(under({ alignment: 'top-left' })).toBe('000010011');
  });

  test('a mask of its own stands for causality, padding and window, but not for the shift', () => {
    const mask: BatchMask = {
      dims: [1, 2, 2, 2],
      allowed: Uint8Array.of(1, 1, 0, 1, 0, 0, 1, 0),
      additive: null,
      source: 'm.npy',
    };
    const batch: Masked = { ...plain(2, 2, [0, 1, 1, 0]), mask };
    const twice = '11010010'.repeat(2);
    expect(allowedMask(batch, PLAIN_MASK).dims).toEqual([2, 2, 2, 2]);
    expect(bits(allowedMask(batch, spec({ window: 1, causal: false, padding: 'ignored' })))).toBe(
      twice,
    );
    expect(bits(allowedMask(batch, spec({ shift: 1 })))).toBe('01011010'.repeat(2));
    expect(bits(rowHasKey(batch, PLAIN_MASK))).toBe('11011101');
  });

  test('holds its definition for any batch and spec', () => {
    const seen = { own: 0, documents: 0, past: 0 };
    fc.assert(
      fc.property(maskedArb, specArb, (batch, wanted) => {
        const { size, length, mask } = batch;
        if (mask) seen.own += 1;
        else if (batch.documents) seen.documents += 1;
        else if (batch.past > 0 && wanted.alignment === 'top-left') seen.past += 1;
        const heads = mask?.dims[1] ?? 1;
        const allowed = allowedMask(batch, wanted);
        const has = rowHasKey(batch, wanted);
        expect([allowed.dims, has.dims]).toEqual([
          [size, heads, length, length],
          [size, heads, length, 1],
        ]);
        const expected: number[] = [];
        for (let b = 0; b < size; b++) {
          for (let h = 0; h < heads; h++) {
            for (let q = 0; q < length; q++) {
              for (let k = 0; k < length; k++)
                expected.push(Number(mayLook(batch, wanted, [b, h, q, k])));
            }
          }
        }
        expect([...allowed.data]).toEqual(expected);
        expect([...has.data]).toEqual(
          Array.from({ length: size * heads * length }, (_, row) =>
            Number(expected.slice(row * length, (row + 1) * length).includes(1)),
          ),
        );
      }),
      { numRuns: 500 },
    );
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(10);
  });
});

interface Case {
  name: string;
  attentionMask: number[][];
  documents: number[][] | null;
  window: number | null;
  past: number;
  alignment: Alignment;
  allowed: string[];
}

describe('the masks of transformers and torch', () => {
  const cases = JSON.parse(readFileSync('fixtures/batch/masks.json', 'utf8')) as Case[];

  test.each(cases)(
    '$name, window $window',
    ({ attentionMask, documents, window, past, alignment, allowed }) => {
      const length = attentionMask[0]!.length;
      const batch: Masked = {
        ...plain(attentionMask.length, length, attentionMask.flat()),
        documents: documents && Int32Array.from(documents.flat()),
        past,
      };
      const found = bits(allowedMask(batch, spec({ window, alignment })));
      const square = length * length;
      expect(allowed.length).toBe(batch.size);
      for (const [b, wanted] of allowed.entries())
        expect(found.slice((b + 1) * square - wanted.length, (b + 1) * square)).toBe(wanted);
    },
  );
});

test('the fully masked rows of a long left-padded batch are found without its square', () => {
  const length = 65536;
  const batch = plain(
    1,
    length,
    Array.from({ length }, (_, s) => Number(s >= length / 2)),
  );
  expect(rowHasKey(batch, PLAIN_MASK).data.indexOf(1)).toBe(length / 2);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PLAIN_MASK } from '../../src/batch/index.js';
import { tokenKinds } from '../../src/batch/kinds.js';
import type { Masked } from '../../src/batch/masks.js';
import { maskedArb, plain } from './batches.js';
import { mayLook } from './naive.js';

test('a token whose query has no key is fully masked even where attention_mask is 1', () => {
  const batch: Masked = {
    ...plain(1, 2, [1, 0]),
    mask: {
      dims: [1, 1, 2, 2],
      allowed: Uint8Array.of(0, 0, 0, 1),
      additive: null,
      source: 'm.npy',
    },
  };
  expect(tokenKinds(batch)).toEqual(['fullyMasked', 'padding']);
});

test('one head with a key is enough', () => {
  const batch: Masked = {
    ...plain(1, 2, [1, 0]),
    mask: {
      dims: [1, 2, 2, 2],
      allowed: Uint8Array.of(0, 0, 0, 0, 0, 1, 1, 0),
      additive: null,
      source: 'm.npy',
    },
  };
  expect(tokenKinds(batch)).toEqual(['valid', 'padding']);
});

test('the padding of packed rows is fully masked, since it is of no document', () => {
  const batch: Masked = { ...plain(1, 3, [1, 1, 0]), documents: Int32Array.of(0, 1, -1) };
  expect(tokenKinds(batch)).toEqual(['valid', 'valid', 'fullyMasked']);
});

test('holds its definition for any batch', () => {
  fc.assert(
    fc.property(maskedArb, (batch) => {
      const { length } = batch;
      const expected = Array.from(batch.attentionMask, (bit, i) => {
        const some = [0, 1].some((h) =>
          Array.from({ length }, (_, k) =>
            mayLook(batch, PLAIN_MASK, [Math.floor(i / length), h, i % length, k]),
          ).includes(true),
        );
        if (!some) return 'fullyMasked';
        return bit === 1n ? 'valid' : 'padding';
      });
      expect(tokenKinds(batch)).toEqual(expected);
    }),
  );
});

import fc from 'fast-check';
import { buildBatch } from '../../src/batch/index.js';
import type { Padded } from '../../src/batch/masks.js';
import type { PaddingSide } from '../../src/types.js';
import { PADDING_SIDES } from '../../src/types.js';

export const sequencesArb = fc.array(fc.array(fc.nat(99), { minLength: 1, maxLength: 9 }), { minLength: 1, maxLength: 4 });
export const lengthArb = fc.option(fc.integer({ min: 1, max: 12 }));
export const sideArb = fc.constantFrom(...PADDING_SIDES);
export const windowArb = fc.option(fc.integer({ min: 1, max: 10 }));

export const pad = (sequences: number[][], padding: PaddingSide, length: number | null = null) =>
  buildBatch({ sequences, padding, padTokenId: 100, length, source: 'test', name: padding });

/** Masks of any shape, padding in the middle included; every row has a valid token. */
export const paddedArb: fc.Arbitrary<Padded> = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 8 })).chain(([size, length]) =>
  fc
    .array(fc.array(fc.boolean(), { minLength: length, maxLength: length }).filter((row) => row.includes(true)), { minLength: size, maxLength: size })
    .map((rows) => ({ size, length, attentionMask: BigInt64Array.from(rows.flat(), (bit) => (bit ? 1n : 0n)) })),
);

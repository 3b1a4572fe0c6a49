import fc from 'fast-check';
import { buildBatch } from '../../src/batch/index.js';
import type { Masked } from '../../src/batch/masks.js';
import type { BatchMask, MaskSpec, PaddingSide } from '../../src/types.js';
import { ALIGNMENTS, PADDING_SIDES } from '../../src/types.js';

export const sequencesArb = fc.array(fc.array(fc.nat(99), { minLength: 1, maxLength: 9 }), {
  minLength: 1,
  maxLength: 4,
});
export const lengthArb = fc.option(fc.integer({ min: 1, max: 12 }));
export const sideArb = fc.constantFrom(...PADDING_SIDES);

export const pad = (sequences: number[][], padding: PaddingSide, length: number | null = null) =>
  buildBatch({ sequences, padding, padTokenId: 100, length, source: 'test', name: padding });

/** A batch of one pass, neither packed nor with a mask of its own. */
export const plain = (
  size: number,
  length: number,
  attentionMask: Iterable<number | bigint>,
): Masked => ({
  size,
  length,
  attentionMask: BigInt64Array.from(attentionMask, BigInt),
  documents: null,
  mask: null,
  past: 0,
});

const grid = <T>(item: fc.Arbitrary<T>, size: number, length: number): fc.Arbitrary<T[]> =>
  fc.array(item, { minLength: size * length, maxLength: size * length });
const sizesArb = fc.record({
  size: fc.integer({ min: 1, max: 3 }),
  length: fc.integer({ min: 1, max: 8 }),
});

/** Padding of any shape, in the middle included; every row has a valid token. */
export const paddedArb: fc.Arbitrary<Masked> = sizesArb.chain(({ size, length }) =>
  fc
    .array(
      grid(fc.nat(1), 1, length).filter((row) => row.includes(1)),
      { minLength: size, maxLength: size },
    )
    .map((rows) => plain(size, length, rows.flat())),
);

/** As paddedArb, with documents of any shape, split ones included, and a past. */
export const packedArb: fc.Arbitrary<Masked> = paddedArb.chain((batch) =>
  fc
    .record({
      documents: fc.option(
        grid(fc.nat(2), batch.size, batch.length).map((numbers) =>
          Int32Array.from(numbers, (number, i) => (batch.attentionMask[i] === 1n ? number : -1)),
        ),
        { freq: 2 },
      ),
      past: fc.nat(batch.length - 1),
    })
    .map((changes) => ({ ...batch, ...changes })),
);

const maskArb = (size: number, heads: number, length: number): fc.Arbitrary<BatchMask> =>
  fc
    .record({ rows: fc.constantFrom(1, size), planes: fc.constantFrom(1, heads) })
    .chain(({ rows, planes }) =>
      grid(fc.nat(1), rows * planes * length, length).map((bits) => ({
        dims: [rows, planes, length, length] as const,
        allowed: Uint8Array.from(bits),
        additive: null,
        source: 'test.npy',
      })),
    );

/** Batches with everything that a mask depends on, a mask of their own included. */
export const maskedArb: fc.Arbitrary<Masked> = packedArb.chain((batch) =>
  fc.option(maskArb(batch.size, 2, batch.length), { freq: 2 }).map((mask) => ({ ...batch, mask })),
);

export const specArb: fc.Arbitrary<MaskSpec> = fc.record({
  window: fc.option(fc.integer({ min: 1, max: 10 })),
  causal: fc.boolean(),
  padding: fc.constantFrom('as given', 'ignored', 'flipped'),
  alignment: fc.constantFrom(...ALIGNMENTS),
  shift: fc.oneof(fc.constant(0), fc.integer({ min: -9, max: 9 })),
});

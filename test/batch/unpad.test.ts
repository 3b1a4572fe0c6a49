import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { packIndices, unpadIndices } from '../../src/batch/index.js';
import type { Masked } from '../../src/batch/masks.js';
import { packedArb, pad, plain } from './batches.js';

describe('unpadIndices', () => {
  test('moves a left-padded row to the right', () => {
    expect(
      unpadIndices(
        pad(
          [
            [1, 2, 3],
            [4, 5],
          ],
          'left',
        ),
      ),
    ).toEqual({
      gather: BigInt64Array.of(0n, 1n, 2n, 4n, 5n, 4n),
      scatter: BigInt64Array.of(0n, 1n, 2n, 6n, 3n, 4n),
      seqlensK: Int32Array.of(2, 1),
      rows: 2,
      length: 3,
    });
  });

  test('leaves right-padded rows where they are', () => {
    expect(
      unpadIndices(
        pad(
          [
            [1, 2, 3],
            [4, 5],
          ],
          'right',
        ),
      ),
    ).toEqual({
      gather: BigInt64Array.of(0n, 1n, 2n, 3n, 4n, 3n),
      scatter: BigInt64Array.of(0n, 1n, 2n, 3n, 4n, 6n),
      seqlensK: Int32Array.of(2, 1),
      rows: 2,
      length: 3,
    });
  });

  test('makes a row of every document, as long as the longest', () => {
    const batch: Masked = {
      ...plain(2, 4, [1, 1, 1, 0, 1, 1, 1, 1]),
      documents: Int32Array.of(0, 1, 1, -1, 0, 0, 0, 1),
    };
    expect(unpadIndices(batch)).toEqual({
      gather: BigInt64Array.of(0n, 0n, 0n, 1n, 2n, 1n, 4n, 5n, 6n, 7n, 7n, 7n),
      scatter: BigInt64Array.of(0n, 3n, 4n, 12n, 6n, 7n, 8n, 9n),
      seqlensK: Int32Array.of(0, 1, 2, 0),
      rows: 4,
      length: 3,
    });
  });

  test('splits a batch into the columns before and after a past, each counted from 0', () => {
    const batch = pad(
      [
        [1, 2, 3, 4],
        [5, 6, 7],
      ],
      'left',
    );
    expect(unpadIndices(batch, { from: 0, to: 2 })).toEqual({
      gather: BigInt64Array.of(0n, 1n, 3n, 3n),
      scatter: BigInt64Array.of(0n, 1n, 4n, 2n),
      seqlensK: Int32Array.of(1, 0),
      rows: 2,
      length: 2,
    });
    expect(unpadIndices(batch, { from: 2, to: 4 })).toMatchObject({
      gather: BigInt64Array.of(0n, 1n, 2n, 3n),
      scatter: BigInt64Array.of(0n, 1n, 2n, 3n),
      seqlensK: Int32Array.of(1, 1),
    });
  });

  test('a row without valid tokens is an error', () => {
    const error = expect.objectContaining({ code: 'prompt-no-tokens', args: { prompt: '#2' } });
    expect(() => unpadIndices(plain(2, 1, [1, 0]))).toThrow(error);
    expect(() => unpadIndices(pad([[1, 2], [3]], 'left'), { from: 0, to: 1 })).toThrow(error);
  });

  test('every segment is a row of one document in order, and scatter undoes gather, for any batch and columns', () => {
    const columnsArb = packedArb.chain((batch) =>
      fc.record({ batch: fc.constant(batch), from: fc.nat(batch.length - 1) }).chain(({ from }) =>
        fc.record({
          batch: fc.constant(batch),
          from: fc.constant(from),
          to: fc.integer({ min: from + 1, max: batch.length }),
        }),
      ),
    );
    fc.assert(
      fc.property(columnsArb, ({ batch, from, to }) => {
        const columns = Array.from({ length: batch.size * (to - from) }, (_, i) => ({
          row: Math.floor(i / (to - from)),
          at: Math.floor(i / (to - from)) * batch.length + from + (i % (to - from)),
        }));
        const tokens = columns.map(({ row, at }, i) => ({
          i,
          row,
          valid: batch.attentionMask[at] === 1n,
          document: batch.documents?.[at] ?? 0,
        }));
        fc.pre(
          new Set(tokens.filter(({ valid }) => valid).map(({ row }) => row)).size === batch.size,
        );
        const { gather, scatter, seqlensK, rows, length } = unpadIndices(batch, { from, to });
        expect([gather.length, scatter.length, seqlensK.length]).toEqual([
          rows * length,
          tokens.length,
          rows,
        ]);

        const unpadded = [...gather].map((index) => tokens[Number(index)]!);
        expect(
          [...scatter].map((slot) => [...unpadded.map(({ i }) => i), null][Number(slot)]),
        ).toEqual(tokens.map(({ i, valid }) => (valid ? i : null)));
        const segments = Array.from({ length: rows }, (_, r) =>
          unpadded.slice(r * length, (r + 1) * length),
        );
        for (const [r, segment] of segments.entries()) {
          const own = segment.slice(0, seqlensK[r]! + 1);
          const alike = tokens.filter(
            ({ valid, row, document }) =>
              valid && row === own[0]!.row && document === own[0]!.document,
          );
          expect(own).toEqual(alike);
          expect(new Set(segment.slice(own.length))).toEqual(
            new Set(own.length < length ? [own[0]] : []),
          );
        }
        expect(rows).toBe(
          new Set(
            tokens.filter(({ valid }) => valid).map(({ row, document }) => `${row}/${document}`),
          ).size,
        );
        expect(length).toBe(batch.documents === null ? to - from : Math.max(...seqlensK) + 1);
      }),
    );
  });
});

describe("the sequences of transformers' flash_attention_2", () => {
  interface Case {
    attentionMask: number[][];
    documents: number[][] | null;
    tokens: number[];
    ends: number[];
  }
  const cases = JSON.parse(readFileSync('fixtures/batch/unpadding.json', 'utf8')) as Case[];

  test.each(cases)('$attentionMask $documents', ({ attentionMask, documents, tokens, ends }) => {
    const batch: Masked = {
      ...plain(attentionMask.length, attentionMask[0]!.length, attentionMask.flat()),
      documents: documents && Int32Array.from(documents.flat()),
    };
    const { gather, seqlensK, length } = unpadIndices(batch);
    const sequences = Array.from(seqlensK, (last, r) =>
      [...gather.subarray(r * length, r * length + last + 1)].map(Number),
    );
    expect(sequences).toEqual(ends.slice(1).map((end, r) => tokens.slice(ends[r], end)));
  });
});

describe('packIndices', () => {
  test('puts the valid tokens of all rows one after another, documents apart', () => {
    expect(
      packIndices(
        pad(
          [
            [1, 2, 3],
            [4, 5],
          ],
          'left',
        ),
      ),
    ).toEqual({
      gather: BigInt64Array.of(0n, 1n, 2n, 4n, 5n),
      scatter: BigInt64Array.of(0n, 1n, 2n, 5n, 3n, 4n),
      starts: Int32Array.of(0, 3, 5),
      rows: 2,
    });
    const batch: Masked = { ...plain(1, 4, [1, 1, 0, 1]), documents: Int32Array.of(0, 0, -1, 1) };
    expect(packIndices(batch)).toEqual({
      gather: BigInt64Array.of(0n, 1n, 3n),
      scatter: BigInt64Array.of(0n, 1n, 3n, 2n),
      starts: Int32Array.of(0, 2, 3),
      rows: 2,
    });
  });

  test('holds the same rows as unpadIndices, and scatter undoes gather, for any batch', () => {
    fc.assert(
      fc.property(packedArb, (batch) => {
        const [packed, unpadded] = [packIndices(batch), unpadIndices(batch)];
        expect(packed.rows).toBe(unpadded.rows);
        expect(
          Array.from(packed.starts.subarray(1), (end, row) => end - packed.starts[row]!),
        ).toEqual(Array.from(unpadded.seqlensK, (last) => last + 1));
        for (const [slot, token] of packed.gather.entries())
          expect(packed.scatter[Number(token)]).toBe(BigInt(slot));
        expect(packed.scatter.filter((slot) => slot === BigInt(packed.gather.length)).length).toBe(
          batch.attentionMask.filter((bit) => bit !== 1n).length,
        );
      }),
    );
  });
});

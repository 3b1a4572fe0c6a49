import fc from 'fast-check';
import { availableParallelism } from 'node:os';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { randomSequences } from '../../src/batch/random.js';
import { buildBatch } from '../../src/batch/pad.js';
import { batchesOf, shardOf } from '../../src/pipeline/shard.js';
import type { Batch } from '../../src/types.js';

const batchAt = (seed: number): Batch =>
  buildBatch({
    sequences: randomSequences({ batch: 1, length: 4, seed, vocabSize: 99 }),
    padding: 'right',
    padTokenId: 0,
    length: null,
    source: 'random',
    name: `${seed}`,
  });

describe('the parts of a run', () => {
  it('have each batch once, in order, and as many batches as one another, but for one', () => {
    const anyParts = fc.property(
      fc.nat({ max: 40 }),
      fc.integer({ min: 1, max: 50 }),
      (size, count) => {
        const batches = Array.from({ length: size }, (_, i) => i);
        const parts = Array.from({ length: count }, (_, i) =>
          batchesOf(batches, { index: i + 1, count }),
        );
        const sizes = parts.map(({ length }) => length);
        expect(parts.flat().toSorted((a, b) => a - b)).toEqual(batches);
        expect(
          parts.every((part) => part.every((batch, i) => i === 0 || batch > part[i - 1]!)),
        ).toBe(true);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      },
    );
    fc.assert(anyParts);
  });

  it('have every n-th batch, from the i-th on', () => {
    expect(
      [1, 2, 3].map((index) => batchesOf(['a', 'b', 'c', 'd', 'e'], { index, count: 3 })),
    ).toEqual([['a', 'd'], ['b', 'e'], ['c']]);
    expect(batchesOf(['a'], { index: 2, count: 2 })).toEqual([]);
  });

  it('know how many threads they were given', () => {
    const threads = (value: string): number => {
      vi.stubEnv('ORT_INTRA_OP_NUM_THREADS', value);
      onTestFinished(() => void vi.unstubAllEnvs());
      return shardOf([], { index: 1, count: 1 }).threads;
    };
    expect(threads('3')).toBe(3);
    expect(threads('')).toBe(availableParallelism());
  });

  it('know what they are parts of', () => {
    const [one, two] = [
      shardOf([batchAt(1), batchAt(2)], { index: 1, count: 3 }),
      shardOf([batchAt(1), batchAt(2)], { index: 3, count: 3 }),
    ];
    expect(one).toMatchObject({
      index: 1,
      count: 3,
      batches: ['1', '2'],
      data: expect.stringMatching(/^[0-9a-f]{64}$/),
      threads: expect.any(Number),
    });
    expect({ ...two, index: 1 }).toEqual(one);
    const otherTokens = { ...batchAt(3), name: '2' };
    for (const other of [[batchAt(2), batchAt(1)], [batchAt(1)], [batchAt(1), otherTokens]])
      expect(shardOf(other, { index: 1, count: 3 }).data).not.toBe(one.data);
  });
});

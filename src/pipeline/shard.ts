import { createHash } from 'node:crypto';
import { threadCount } from '../runners/threads.js';
import type { Batch, ShardOf, ShardPlace } from '../types.js';
import { describeBatch } from './describe.js';

/**
 * The batches of one part: every `count`-th, from the `index`-th on, so that batches that grow longer from the first to
 * the last are dealt out evenly. Each batch is in one part; with fewer batches than parts, the last parts have none.
 */
export function batchesOf<T>(batches: readonly T[], { index, count }: ShardPlace): T[] {
  return batches.filter((_, i) => i % count === index - 1);
}

/** Where a part belongs. */
export function shardOf(batches: readonly Batch[], { index, count }: ShardPlace): ShardOf {
  return {
    index,
    count,
    batches: batches.map(({ name }) => name),
    data: dataDigest(batches.map((batch) => describeBatch(batch).sha256)),
    threads: threadCount(),
  };
}

/** SHA-256, in hexadecimal, of the digests of some batches, each on a line. */
export function dataDigest(digests: readonly string[]): string {
  const hash = createHash('sha256');
  for (const digest of digests) hash.update(`${digest}\n`);
  return hash.digest('hex');
}

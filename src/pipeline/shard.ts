import { createHash } from 'node:crypto';
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
  const digest = createHash('sha256');
  for (const batch of batches) digest.update(`${describeBatch(batch).sha256}\n`);
  return { index, count, batches: batches.map(({ name }) => name), data: digest.digest('hex') };
}

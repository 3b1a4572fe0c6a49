import type { BatchInfo, Shard } from '../types.js';
import { plural } from './text/number.js';

/** Names that a sentence can take. */
const MOST_NAMES = 8;

/** Which part of a run a report is of: `2 of 3, with 2 of 6 batches: 2, 5`. */
export function shardPlaceText(
  { index, count, batches: all }: Pick<Shard, 'index' | 'count' | 'batches'>,
  own: readonly Pick<BatchInfo, 'name'>[],
): string {
  const names = own.slice(0, MOST_NAMES).map(({ name }) => name);
  const listed =
    names.length === 0 ? '' : `: ${names.join(', ')}${own.length > names.length ? ', …' : ''}`;
  return `${index} of ${count}, with ${own.length === 0 ? 'none' : own.length} of ${plural(all.length, 'batch', 'batches')}${listed}`;
}

/** That a report is of a part of a run alone, in two sentences. */
export function shardSentences(
  shard: Pick<Shard, 'index' | 'count' | 'batches'>,
  own: readonly Pick<BatchInfo, 'name'>[],
): string {
  return `This is shard ${shardPlaceText(shard, own)}. The whole is what attn-diff merge makes of the JSON reports of all ${shard.count}.`;
}

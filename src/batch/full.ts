import type { Batch } from '../types.js';
import { buildBatch } from './pad.js';
import { randomSequences } from './random.js';

/** A batch of random tokens without padding, [size, length], named after its length; the same for the same sizes. */
export function fullBatch({
  size,
  length,
  vocabSize,
}: {
  size: number;
  length: number;
  vocabSize: number;
}): Batch {
  const sequences = Array.from(
    { length: size },
    (_, seed) => randomSequences({ batch: 1, length, seed, vocabSize })[0]!,
  );
  return buildBatch({
    sequences,
    length,
    padding: 'right',
    padTokenId: 0,
    source: 'random',
    name: `${length}`,
  });
}

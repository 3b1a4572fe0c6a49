/**
 * mulberry32 (Tommy Ettinger, public domain): 32 bits of state, integer operations only, so that a seed
 * gives the same numbers on every platform.
 *
 * @param seed only its low 32 bits count
 * @returns a function that gives the next number, uniform in [0, 1)
 */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface RandomParts {
  batch: number;
  length: number;
  seed: number;
  vocabSize: number;
}

/**
 * Seeded token ids for models without a tokenizer: `batch` sequences, the first of `length` tokens, the others of
 * a length uniform in [ceil(length / 4), length]; ids uniform in [0, vocabSize).
 */
export function randomSequences({ batch, length, seed, vocabSize }: RandomParts): number[][] {
  const random = mulberry32(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const shortest = Math.ceil(length / 4);
  return Array.from({ length: batch }, (_, row) => {
    const tokens = row === 0 ? length : shortest + below(length - shortest + 1);
    return Array.from({ length: tokens }, () => below(vocabSize));
  });
}

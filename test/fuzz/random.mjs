/** Seeded choices, so that a seed and an index make the same mutant on every machine. */
import { mulberry32 } from '../../dist/batch/random.js';

/**
 * @param {number} seed
 * @param {number} index which mutant of the run; each has numbers of its own
 */
export function choices(seed, index) {
  const next = mulberry32(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
  const below = (limit) => Math.floor(next() * limit);
  return {
    next,
    below,
    chance: (share) => next() < share,
    pick: (list) => list[below(list.length)],
    integer: (low, high) => low + below(high - low + 1),
  };
}

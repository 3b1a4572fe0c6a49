import { AttnDiffError } from '../errors.js';
import type { Batch } from '../types.js';

/**
 * Checks that a left-padded batch can be split into a prefill of its first `past` columns and a decode of the others:
 * columns are left to decode, and every row has a token in the prefill.
 *
 * @throws AttnDiffError bad-option
 */
export function checkPast({ name, size, length, attentionMask, past }: Batch): void {
  const bad = (problem: string, remedy: string): AttnDiffError =>
    new AttnDiffError('bad-option', { option: '--past', value: `${past}`, problem, remedy });
  const shortest = Array.from(
    { length: size },
    (_, b) =>
      attentionMask.subarray(b * length, (b + 1) * length).filter((bit) => bit === 1n).length,
  ).reduce((least, tokens) => Math.min(least, tokens), length);
  const first = length - shortest + 1;
  const cut = past < shortest ? `, or --length ${shortest}, so that every row is full` : '';
  const remedy =
    first < length
      ? `${first === length - 1 ? first : `a number from ${first} to ${length - 1}`}${cut}`
      : 'it with prompts of at least two tokens each';
  if (past >= length)
    throw bad(
      `the rows of batch ${name} have ${length} tokens, which leaves none to decode`,
      remedy,
    );
  if (past < first)
    throw bad(
      `the shortest prompt of batch ${name} has ${shortest} of the ${length} tokens of its row, on the right, and so none among the first ${past}`,
      remedy,
    );
}

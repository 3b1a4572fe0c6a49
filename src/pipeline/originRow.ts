import type { Step } from '../attention/implementations/types.js';
import type { NonFiniteOrigin } from '../types.js';

/** One row of a tensor on the way through attention. */
export interface RowStep {
  step: Step;
  /** By key position in the padded row; of the output, by element of the head. */
  values: ArrayLike<number>;
  /** Largest finite magnitude of the whole tensor; null where none is finite. */
  largest: number | null;
  node: NonFiniteOrigin['node'];
}

export type RowOrigin = Pick<
  NonFiniteOrigin,
  'step' | 'node' | 'kind' | 'value' | 'key' | 'largest'
>;

/**
 * Says where one query's row of attention stops being finite, its query, keys and values being finite.
 *
 * −Infinity is what masks are made of, so a score counts as bad before the softmax where what the softmax reads of it
 * is NaN or +Infinity; the step named is the first at which that key's score is not finite. Where all that the softmax
 * reads is −Infinity, scores of allowed keys that overflowed are to blame if there are any, else the mask.
 *
 * @param steps in order from QKᵀ to the output; scores that are masked by replacing them are healed thereby
 * @param isAllowed whether the query may look at a key
 * @returns null where every step is finite
 */
export function rowOrigin(
  steps: readonly RowStep[],
  isAllowed: (key: number) => boolean,
): RowOrigin | null {
  const scores = steps.filter(({ step }) => step !== 'probabilities' && step !== 'output');
  const read = Array.from(scores.at(-1)?.values ?? []);
  const key = read.findIndex((value) => Number.isNaN(value) || value === Infinity);
  if (key >= 0)
    return at(
      scores.find(({ values }) => !Number.isFinite(values[key]))!,
      key,
    );

  const probabilities = steps.find(({ step }) => step === 'probabilities');
  const bad = probabilities ? firstBad(probabilities.values) : -1;
  if (probabilities && bad >= 0) {
    if (read.some((value) => value !== -Infinity)) return at(probabilities, bad);
    const lost = scores.flatMap((step) => {
      const lowest = Array.from(step.values).findIndex(
        (value, k) => value === -Infinity && isAllowed(k),
      );
      return lowest < 0 ? [] : [at(step, lowest)];
    });
    return lost[0] ?? { ...at(probabilities, bad), kind: 'fully-masked' };
  }
  const output = steps.find(({ step }) => step === 'output');
  return output && firstBad(output.values) >= 0
    ? { ...at(output, firstBad(output.values)), key: null }
    : null;
}

/** A number that is not finite by numpy's name for it. */
export function nonFiniteName(value: number): NonFiniteOrigin['value'] {
  if (Number.isNaN(value)) return 'nan';
  return value > 0 ? 'inf' : '-inf';
}

/** What a probe writes for a largest finite magnitude that there is not. */
export function largestOrNull(largest: number): number | null {
  return largest < 0 ? null : largest;
}

/** Index of the first NaN or infinite number; −1 where there is none. */
export function firstBad(values: ArrayLike<number>): number {
  return Array.from(values).findIndex((value) => !Number.isFinite(value));
}

function at({ step, values, largest, node }: RowStep, key: number): RowOrigin {
  const value = values[key]!;
  return {
    step,
    node,
    kind: Number.isNaN(value) ? 'invalid' : 'overflow',
    value: nonFiniteName(value),
    key,
    largest,
  };
}

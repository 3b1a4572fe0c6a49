import type { Check } from '../types.js';
import { formatCount, formatLimit, formatNumber } from './text/number.js';

/**
 * A number that has grown too much since the baseline, in sentences: what it was and is, where, what is allowed, and the
 * smallest factor that would pass.
 *
 * @param metric what the number is
 * @param place where it is; empty where nothing could be compared
 */
export function regressionSentences(
  { implementation, actual, expected, source }: Check,
  metric: string,
  place: string,
): string {
  if (source.kind !== 'baseline') return '';
  const { path, was, factor } = source;
  if (Number.isNaN(actual) && place === '')
    return `regression: no number of this run could be held against ${path}, and comparing nothing is a failure. Save a new baseline (--save-baseline).`;
  if (place === '')
    return `regression: ${formatCount(actual)} of ${formatCount(expected)} numbers could be compared with ${path}, and comparing less than was asked is a failure: the others are in one of the two alone, or are NaN or infinite there. Run what was run then, or save a new baseline (--save-baseline).`;
  const times =
    was > 0 && Number.isFinite(actual) ? `, so it grew ${formatNumber(actual / was)} times` : '';
  const isWider = expected > factor * was;
  const allowed = isWider
    ? `${formatNumber(expected)} is allowed, which rounding or chance explains`
    : `${formatLimit(factor)} times is allowed (--max-regression)`;
  const passing = passingFactor(was, actual);
  return `regression, ${implementation}: ${metric} is ${formatNumber(actual)} at ${place}, where ${path} has ${formatNumber(was)}${times}; ${allowed}. ${passing === null ? 'No factor lets it pass; a new baseline (--save-baseline) does.' : `Smallest factor that passes: --max-regression ${passing}x; or save a new baseline (--save-baseline).`}`;
}

/** The smallest factor by which a number may have grown to this, with all its digits; null where there is none. */
export function passingFactor(was: number, actual: number): string | null {
  if (!(was > 0) || !(actual > 0) || !Number.isFinite(actual / was)) return null;
  // The quotient alone will not do: it is rounded, and so is its product with what was.
  const view = new DataView(new ArrayBuffer(8));
  const factorAt = (bits: bigint): number => {
    view.setBigUint64(0, bits);
    return view.getFloat64(0);
  };
  let [low, high] = [0n, INFINITE];
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (factorAt(middle) * was >= actual) high = middle;
    else low = middle;
  }
  return formatLimit(factorAt(high));
}

/** The bits of Infinity; those of what is from 0 on and below it are in the order of their values. */
const INFINITE = 0x7f_f0_00_00_00_00_00_00n;

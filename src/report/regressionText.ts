import type { Check } from '../types.js';
import { formatLimit, formatNumber, limitAbove } from './text/number.js';

/**
 * A number that has grown too much since the baseline, in sentences: what it was and is, where, what is allowed, and the
 * smallest factor that would pass.
 *
 * @param metric what the number is
 * @param place where it is; empty where nothing could be compared
 */
export function regressionSentences({ implementation, actual, expected, source }: Check, metric: string, place: string): string {
  if (source.kind !== 'baseline') return '';
  const { path, was, factor } = source;
  if (place === '') return `regression: no number of this run could be held against ${path}, and comparing nothing is a failure. Save a new baseline (--save-baseline).`;
  const times = was > 0 && Number.isFinite(actual) ? `, so it grew ${formatNumber(actual / was)} times` : '';
  const isWider = expected > factor * was;
  const allowed = isWider ? `${formatNumber(expected)} is allowed, which rounding or chance explains` : `${formatLimit(factor)} times is allowed (--max-regression)`;
  const passing = passingFactor(was, actual);
  return `regression, ${implementation}: ${metric} is ${formatNumber(actual)} at ${place}, where ${path} has ${formatNumber(was)}${times}; ${allowed}. ${passing === null ? 'No factor lets it pass; a new baseline (--save-baseline) does.' : `Smallest factor that passes: --max-regression ${passing}x; or save a new baseline (--save-baseline).`}`;
}

/** The smallest factor, of three significant digits, by which a number may have grown to this; null where there is none. */
export function passingFactor(was: number, actual: number): string | null {
  if (!(was > 0) || !Number.isFinite(actual)) return null;
  const factor = limitAbove(actual / was);
  return Number(factor) * was >= actual ? factor : limitAbove(Number(factor) * (1 + Number.EPSILON));
}

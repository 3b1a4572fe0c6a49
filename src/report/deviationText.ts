import type { Deviation } from '../types.js';
import { formatNumber, plural } from './text/number.js';

/** A deviation in a few words without a verb: `a scale 1.1 times as large`, `no sliding window`. */
export function deviationText(deviation: Deviation): string {
  switch (deviation.kind) {
    case 'scale':
      return `a scale ${factorText(deviation.factor)} times as large`;
    case 'window':
      return deviation.to === null
        ? 'no sliding window'
        : `a sliding window of ${plural(deviation.to, 'token')}`;
    case 'mask-shift':
      return `each query with the mask of the query ${plural(Math.abs(deviation.by), 'position')} ${deviation.by > 0 ? 'after' : 'before'} it`;
    case 'padding-side':
      return 'padding masked on the other side of each row';
    case 'mask-ignored':
      return deviation.part === 'causal'
        ? 'no causal mask: queries see later keys'
        : 'padding keys not masked';
    case 'alignment':
      return `a causal mask aligned ${deviation.to}`;
    case 'head-order':
      return orderText(deviation.order);
    case 'kv-mapping':
      return 'query head h served by key/value head h mod Hkv';
    case 'positions':
      return `queries turned ${plural(Math.abs(deviation.by), 'position')} too ${deviation.by > 0 ? 'far' : 'little'}`;
    case 'mask-form':
      return {
        additive: 'an additive mask',
        boolean: 'a boolean mask',
        causal: "the operator's own causal mask",
      }[deviation.to];
    case 'fill':
      return `masked scores filled with ${{ min: 'the smallest finite number', '-inf': '−inf', '-1e4': '−10000' }[deviation.to]}`;
    case 'precision':
      return `Q, K, V, probabilities and output in ${deviation.to}`;
    case 'scores-precision':
      return `scores in ${deviation.to}`;
    case 'softmax-precision':
      return `softmax in ${deviation.to}`;
    case 'flush':
      return `probabilities below ${formatNumber(deviation.below)} set to 0`;
    case 'nan':
      return `NaN in head ${deviation.head} on the last token`;
  }
}

/** Five significant digits, as a scale is searched for to about as many. */
function factorText(factor: number): string {
  return String(Number(factor.toPrecision(5)));
}

function orderText(order: readonly number[]): string {
  const moved = order.flatMap((from, head) => (from === head ? [] : [head]));
  return moved.length === 2
    ? `query heads ${moved.join(' and ')} swapped`
    : `query heads in the order ${order.join(', ')}`;
}

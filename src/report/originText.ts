import type { Finding, NonFiniteOrigin } from '../types.js';
import { formatNumber } from './text/number.js';

type Overflow = Extract<Finding, { code: 'score-overflow' }>;

/** The largest finite number of a precision. */
const LARGEST: Readonly<Partial<Record<Overflow['precision'], string>>> = {
  fp16: '65504',
  bf16: '3.39e38',
  fp32: '3.40e38',
};

const STEPS: Readonly<Record<NonFiniteOrigin['step'], string>> = {
  scores: 'QKᵀ',
  scaled: 'QKᵀ · scale',
  masked: 'the masked scores',
  probabilities: 'the softmax',
  output: 'PV',
  node: 'a node',
};

/** `QKᵀ (MatMul /layers.1/MatMul) at layer 1, query head 0, query position 4, key position 9 of row 2`. */
export function originPlace({ layer, step, node, row, head, query, key }: NonFiniteOrigin): string {
  const name = node && `${node.opType} ${node.name}`;
  const what = step === 'node' ? (name ?? STEPS.node) : `${STEPS[step]}${name ? ` (${name})` : ''}`;
  const position = key === null && step === 'node' ? 'token position' : 'query position';
  const at = [
    ...(layer === null ? [] : [`layer ${layer}`]),
    ...(head === null ? [] : [`query head ${head}`]),
    ...(query === null ? [] : [`${position} ${query}`]),
    ...(key === null ? [] : [`key position ${key}`]),
  ].join(', ');
  const place = row === null ? at : `${at} of row ${row}`;
  return place === '' ? what : `${what} at ${place}`;
}

/** Why it begins there, and what to do. */
const KINDS: Readonly<Record<NonFiniteOrigin['kind'], { why: string; remedy: string }>> = {
  overflow: {
    why: 'finite numbers overflow there',
    remedy:
      'Compute it in fp32, or in bf16 in place of fp16, or look at the weights and at the size of what enters it.',
  },
  'fully-masked': {
    why: 'all scores of that query are masked, and their softmax is 0/0',
    remedy:
      'Let that query look at some key, or fill the mask with the smallest finite number instead of −inf (--mask-fill min, or at export).',
  },
  invalid: {
    why: 'what it is computed from is finite',
    remedy:
      'Look at what is computed there: ∞ − ∞ and 0/0 are NaN, and so are the root and the logarithm of a negative number.',
  },
  weights: {
    why: 'a weight of the file that it reads is not finite',
    remedy:
      'Run the check on the checkpoint that was exported: training diverged, or the weight was cast to a type that does not hold it.',
  },
  'inside-kernel': {
    why: 'what it is computed from is finite, and so is every step taken one by one in fp32, so it begins inside the kernel',
    remedy:
      'Use another implementation, and report the kernel with these Q, K and V to ONNX Runtime.',
  },
};

/** Where it begins, why, and what to do. */
export function originSentences(origin: NonFiniteOrigin): string {
  const { kind, weight } = origin;
  return `It begins as ${valueText(origin)} in ${originPlace(origin)}: ${weight === null ? KINDS[kind].why : `a weight of the file that it reads, ${weight}, is not finite`}${kind === 'overflow' ? largestText(origin) : ''}. ${KINDS[kind].remedy}`;
}

/** What the overflow of scores means and what cures it. */
export function overflowSentences({ implementation, origin, precision }: Overflow): string {
  const limit = LARGEST[precision];
  const meaning =
    origin.value === '-inf'
      ? 'That leaves the query no finite score, and the softmax of such a row is NaN.'
      : 'The softmax of a row with an infinite score is NaN.';
  return `${originPlace(origin)} is ${valueText(origin)}: it left the range of ${precision}${limit === undefined ? '' : `, which ends at ${limit}`}${largestText(origin)}. ${meaning} ${overflowRemedy(implementation, precision)}`;
}

function overflowRemedy(implementation: string, precision: Overflow['precision']): string {
  if (precision !== 'fp16')
    return 'Look at the norms of Q and K in that layer: scores of this size are a fault of the weights or of what enters them.';
  const upcast =
    implementation === 'original'
      ? 'export the model with its scores in fp32'
      : 'eager needs them in fp32 (--scores-precision fp32, or eager:scores=fp32)';
  return `Keep the scores in fp32: ${upcast}; sdpa and flash keep them so by themselves. bf16 in place of fp16 has the range, but scores this large lose their low bits in it.`;
}

function largestText({ largest }: NonFiniteOrigin): string {
  return largest === null
    ? '; nothing in that tensor is finite'
    : `; the largest finite magnitude beside it is ${formatNumber(largest)}`;
}

function valueText({ value }: NonFiniteOrigin): string {
  return { nan: 'NaN', inf: 'Inf', '-inf': '−Inf' }[value];
}

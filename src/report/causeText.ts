import type { CauseFinding } from '../metrics/index.js';
import type { Cause } from '../types.js';
import { deviationText } from './deviationText.js';
import { rangesText } from './text/kinds.js';
import { formatLimit, formatNumber, plural } from './text/number.js';

/** What the one at fault did, in the past tense; why that matters, or where it comes from; and what to do. */
interface CauseWords {
  did: (finding: CauseFinding) => string;
  why: string;
  remedy: (finding: CauseFinding) => string;
}

const lookAtMask = (): string =>
  'Look at how the mask is made for this implementation (attn-diff inspect shows what each layer of the file has).';

const WORDS: Readonly<Record<Cause, CauseWords>> = {
  'low-precision-scores': {
    did: () => 'rounded its scores before the softmax',
    why: 'QKᵀ, scaled and masked, is rounded before the softmax, and the error of a score grows with its size: at 256, neighbours in bf16 are 2 apart. The softmax turns that into a factor.',
    remedy: ({ implementation, against }) =>
      `Compute QKᵀ in fp32 (${labelWith(implementation, 'scores=fp32')} here; in Hugging Face's eager_attention_forward, upcast query and key for the first product)${against.startsWith('exact') || against.startsWith('original') ? '' : `, or use ${against}`}.`,
  },
  'softmax-precision': {
    did: () => 'computed its softmax in low precision',
    why: 'Exponentials and their sum are rounded at every step, so that the probabilities no longer add up to 1.',
    remedy: () =>
      'Compute the softmax in fp32 (--softmax-precision fp32; softmax(…, dtype=torch.float32) in PyTorch).',
  },
  'attention-precision': {
    did: () => 'computed in another precision',
    why: 'Q, K and V, the probabilities and the output are rounded on the way.',
    remedy: () =>
      'Compare implementations at one --precision, or take this difference as the price of the lower one.',
  },
  underflow: {
    did: () => 'set small probabilities to 0',
    why: 'A kernel that flushes denormal numbers loses the tail of each distribution; over many keys that adds up.',
    remedy: () =>
      'Turn off flushing to zero (session.set_denormal_as_zero in ONNX Runtime), or keep the probabilities in a wider precision.',
  },
  'scale-mismatch': {
    did: ({ deviation }) => `used ${deviationText(deviation)}`,
    why: 'Softmax is sensitive to the scale of its scores; 1/√D of the head size is what the model was trained with.',
    remedy: () =>
      'Look at the scale given to the kernel (attn-diff inspect shows that of each layer): given twice, or to Q and K each, or left to a default.',
  },
  'window-mismatch': {
    did: ({ deviation }) => `used ${deviationText(deviation)}`,
    why: 'Short prompts do not show it: the difference begins at the first query that is further from the first key than the narrower window.',
    remedy: () =>
      'Hold sliding_window, layer_types and max_window_layers of config.json against what the implementation is given; a kernel that counts the keys before the query needs the window less 1.',
  },
  'causal-alignment': {
    did: ({ deviation }) =>
      `aligned its causal mask ${deviation.kind === 'alignment' ? deviation.to : 'otherwise'}`,
    why: 'With keys of a past before the queries, top-left counts queries from the first key, so that they see none of the keys that came right before them; bottom-right lets the last query see all.',
    remedy: () =>
      'Give an explicit mask while decoding, or use a kernel that takes the past as such.',
  },
  'mask-ignored': {
    did: ({ deviation }) =>
      deviation.kind === 'mask-ignored' && deviation.part === 'causal'
        ? 'left the causal mask out'
        : 'let padding keys be seen',
    why: 'Valid queries look at keys that hold no text, or at the text that they are to predict.',
    remedy: lookAtMask,
  },
  'mask-shift': {
    did: ({ deviation }) =>
      `shifted its mask by ${deviation.kind === 'mask-shift' ? plural(Math.abs(deviation.by), 'token') : 'some tokens'}`,
    why: 'Each query has the mask of a neighbour: it sees the next key, or not its own.',
    remedy: lookAtMask,
  },
  'mask-fill': {
    did: ({ deviation }) => `masked with ${deviationText(deviation)}`,
    why: 'A fill that is not far below every score leaves masked keys some weight.',
    remedy: () => 'Fill with the smallest finite number of the precision (--mask-fill min).',
  },
  'padding-side': {
    did: () => 'masked padding on the wrong side',
    why: 'A kernel that is told only how many tokens are valid (seqlens_k of GroupQueryAttention) takes them to be the first of the row: on left padding it masks the end of the text, and looks at the padding.',
    remedy: () => 'Pad on the right, or unpad before this kernel.',
  },
  'position-ids': {
    did: ({ deviation }) => `had its ${deviationText(deviation)}`,
    why: 'The rotary embedding of queries and keys is counted from different places.',
    remedy: () =>
      'Look at the position_ids and the offset that queries are given beside a past or padding.',
  },
  'head-mapping': {
    did: ({ deviation }) => `had ${deviationText(deviation)}`,
    why: 'Heads are told apart by their place only; a transposed reshape or a repeat in the other order mixes them up.',
    remedy: () =>
      'Look at how Q, K and V are split by head, and at repeat_kv: with H query and Hkv key/value heads, query head h belongs to h div (H/Hkv).',
  },
};

/** As mask-fill in all but where it comes from. */
const MASK_FORM: CauseWords = {
  did: WORDS['mask-fill'].did,
  why: 'An additive mask adds to the scores; a boolean one only keeps or hides, so that any bias in the mask is lost.',
  remedy: () => 'Hand the mask over in the form that it has.',
};

function wordsOf({ code, deviation }: CauseFinding): CauseWords {
  return deviation.kind === 'mask-form' ? MASK_FORM : WORDS[code];
}

/** What the implementation did: a clause without its subject. */
export function causeClause(finding: CauseFinding): string {
  return `${wordsOf(finding).did(finding)}, unlike ${finding.against}`;
}

/** What was found, where, why, and what to do. */
export function causeSentences(finding: CauseFinding): string {
  const { implementation, against, layers, batch, relL2, limit, explained, deviation, firstToken } =
    finding;
  const { did, why, remedy } = wordsOf(finding);
  const where = `${layers.length === 1 ? 'layer' : 'layers'} ${rangesText(layers)}`;
  const evidence = `On the same Q, K, V it parts from ${against} by relative L2 ${formatNumber(relL2)} at layer ${layers[0]}, where rounding explains ${formatLimit(limit)}${
    firstToken === null ? '' : `, first at token position ${firstToken}`
  }; ${shareText(explained)} of that is due to ${deviationText(deviation)}.`;
  return `${implementation}, batch ${batch}: it ${did(finding)} (${where}). ${evidence} ${why} ${remedy(finding)}`;
}

/** A share in percent, never rounded up to all: `100 %` only where it is, to five digits. */
export function shareText(share: number): string {
  if (!Number.isFinite(share)) return formatNumber(share);
  const percent = 100 * share;
  if (percent > 99.9 && percent < 99.999) return '99.9 %';
  return `${Number(percent.toFixed(1))} %`;
}

/** `eager:scores=fp32` of `eager`, `eager:precision=bf16:scores=fp32` of `eager:precision=bf16`. */
function labelWith(label: string, setting: string): string {
  return `${label.replace(/#\d+$/, '').replace(/:scores=\w+/, '')}:${setting}`;
}

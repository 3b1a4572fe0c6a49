import type { CauseFinding } from '../metrics/index.js';
import {
  CAUSES,
  type Cause,
  type FailureKind,
  type Finding,
  type ImplementationInfo,
  type KernelClaim,
  type ProviderName,
} from '../types.js';
import { deviationClause, deviationSentences } from './asConfiguredText.js';
import { causeClause, causeSentences } from './causeText.js';
import { FAILURE_CLAUSE, failureText } from './failureText.js';
import { listText } from './listText.js';
import { typesText } from './precisionText.js';
import { originSentences, overflowSentences } from './originText.js';
import { placeText, rangesText } from './text/kinds.js';
import { formatCount, formatLimit, formatNumber, plural } from './text/number.js';

type Args<C extends Finding['code']> = C extends Cause
  ? CauseFinding
  : Extract<Finding, { code: C }>;

/** `reference` is the label of the reference. */
interface Words<F> {
  /** What the implementation did, in the past tense, so that it fits one name and several. */
  clause: (finding: F, reference: string) => string;
  sentences: (finding: F, reference: string) => string;
}

const CAUSE: Words<CauseFinding> = { clause: causeClause, sentences: causeSentences };

const windowWords = (window: number | null): string =>
  window === null ? 'no sliding window' : `a sliding window of ${plural(window, 'token')}`;

const askedText = ({ kernel, provider }: ImplementationInfo['asked']): string =>
  kernel === null ? `its nodes on ${provider}` : `the ${kernel} kernel on ${provider}`;

/** What to do where a provider leaves nodes to the CPU. */
const FALLBACK_REMEDY: Readonly<Partial<Record<ProviderName, string>>> = {
  webgpu:
    "WebGPU has no kernel for ai.onnx Attention: sdpa@webgpu:kernel=mha asks for com.microsoft's MultiHeadAttention, which it has.",
};

/** What to do where a provider takes another kernel behind the operator. */
const KERNEL_REMEDY: Readonly<Partial<Record<ProviderName, string>>> = {
  cpu: 'On a CPU, ORT_GQA_DISABLE_FLASH_ATTENTION=1 does this (unset it), and so do attention sinks, which its flash kernel does not have.',
  webgpu:
    'WebGPU takes its flash kernel only on devices with subgroups, and not where a sliding window is shorter than the rows.',
  cuda: 'CUDA takes a kernel only for the GPUs, head sizes and masks that it is made for.',
};

/** What another type means for what is compared. */
function typeWords({ written, asked: { provider } }: Args<'kernel-fallback'>): string {
  const lost =
    written === 'fp16'
      ? 'it neither rounds to 11 bits nor overflows at 65504 where a provider with fp16 kernels does'
      : `it does not round where ${written} kernels do`;
  const casts =
    provider === 'cpu'
      ? `The CPU provider has ${written === 'fp16' ? 'fp16 kernels for few operators, and casts around the rest' : `no ${written} kernels, so that the file is read as fp32`}.`
      : `${provider} casts around what it has no such kernel for.`;
  return `${lost}. ${casts}${written === 'fp16' || written === 'bf16' ? ` attn-diff run --activations ${written} --precision ${written} emulates the file's rounding and range.` : ''}`;
}

const FAILURE_REMEDY: Readonly<Record<FailureKind, string>> = {
  crashed: 'Leave it out of --impl, or report it with the model and these versions.',
  'timed-out': 'Give it longer with --timeout, or smaller batches (--length, fewer prompts).',
  'out-of-memory': 'Give it smaller batches (--length, fewer prompts).',
  error: 'Ask for another kernel (kernel=…) or provider.',
};

const CAST_WORDS: Readonly<Record<Args<'stray-cast'>['place'], string>> = {
  query: 'query',
  key: 'key',
  value: 'value',
  scores: 'scores',
  probabilities: 'probabilities',
  output: 'attention output',
};

const layersWords = (layers: readonly number[]): string =>
  `${layers.length === 1 ? 'layer' : 'layers'} ${rangesText(layers)}`;

/** What a wrong mask does, as a clause after `the mask of layer 1`. */
function maskFaultWords({ fault, query, key, value, causal }: Args<'wrong-mask'>): string {
  const numbers = value === null ? '' : formatNumber(value);
  const words: Readonly<Record<typeof fault, string>> = {
    future: `lets query ${query} attend to key ${key}, which is in its future`,
    padding: `ignores padding: it lets query ${query} attend to key ${key}, which is padding`,
    'beyond-window': `lets query ${query} attend to key ${key}, which is beyond its sliding window`,
    hidden: `hides key ${key} from query ${query}, which may attend to it${!causal && key > query ? ', since config.json has the model attend in both directions' : ''}`,
    fill: `fills masked scores with ${numbers}, which does not mask (query ${query}, key ${key})`,
    bias: `adds ${numbers} to the score of key ${key} for query ${query}, which may attend to it`,
  };
  return words[fault];
}

function nodesText({ nodes, more }: Args<'node-divergence'>): string {
  return listText([...new Set(nodes.map(({ opType }) => opType)), ...(more > 0 ? ['others'] : [])]);
}

const NODE_REMEDY = ({ provider, nodes }: Args<'node-divergence'>): string => {
  const isAmong = (...operators: string[]): boolean =>
    nodes.some(({ opType }) => operators.includes(opType));
  if (provider === 'cuda' && isAmong('MatMul', 'Gemm'))
    return 'CUDA multiplies float32 matrices in TF32 unless NVIDIA_TF32_OVERRIDE=0 is set.';
  if (isAmong('Sin', 'Cos') && nodes.some(({ ranOn }) => ranOn === 'cpu'))
    return 'An implementation that needs a later opset has the provider leave nodes to the CPU: hold it against one of the same opset, or against the CPU.';
  if (isAmong('Sin', 'Cos'))
    return 'Every implementation there has it: GPU shading languages promise sine and cosine only to about 5e-4; rotary embedding suffers from that. Export with the tables precomputed, or judge by the logits whether it matters.';
  return 'Judge by the logits or the loss whether it matters.';
};

const CONSTANT = {
  attention:
    'the attention of every layer of the file is the same for all valid tokens of the probe',
  logits: 'its logits are the same for all of them',
} as const satisfies Record<Args<'nothing-compared'>['constant'][number], string>;
/** What is known of the kernels where only the stream parts. */
const KERNEL_CLAIM: Readonly<Record<KernelClaim, string>> = {
  right: 'The layers amplify the rounding; no kernel is to blame.',
  'far-from-exact':
    'The layers amplify small differences, and the kernels are further from exact on the same Q, K, V than rounding explains, so that none is cleared.',
  'own-nodes':
    "The layers amplify small differences. One of the two is the file's own nodes, so that no kernel was compared with another: name two of eager, sdpa and flash in --impl to see whether one is to blame.",
};

const WORDING: { [C in Finding['code']]: Words<Args<C>> } = {
  'nothing-compared': {
    clause: () => 'nothing was compared',
    sentences: ({ constant }) =>
      constant.length > 0
        ? `Nothing was compared: ${constant.map((what) => CONSTANT[what]).join(', and ')}, so that whatever an implementation does would not show. Look at the weights: zeros, or a file that was never filled.`
        : 'Nothing was compared: there is only the reference, or no valid token. Name a second implementation with --impl, or give prompts that hold text.',
  },
  'fully-masked-nan': {
    clause: (f) =>
      `became NaN on fully masked rows at layer ${f.layer}${f.spreadsToValidAtLayer === null ? '' : `, and on valid tokens at layer ${f.spreadsToValidAtLayer}`}`,
    sentences: (f) =>
      `${f.implementation}, ${batchWords(f)}: the attention of fully masked rows is NaN from layer ${f.layer} on. A query that may look at no key has only −inf scores, and their softmax is 0/0. ${
        f.spreadsToValidAtLayer === null
          ? 'It does not reach valid tokens, so the logits of the text are unharmed, but a gradient may not be.'
          : `From layer ${f.spreadsToValidAtLayer} on it reaches valid tokens, through the keys and values of those rows (0 × NaN is NaN). This is a fault: a loss over this batch is NaN.`
      } Fill the mask with a finite number (--mask-fill min, or at export), use SDPA, or pad on the right. Setting such rows to 0 after the softmax helps only where masked scores are replaced: where −inf is added to them, gradients stay NaN.`,
  },
  'non-finite': {
    clause: (f) => `became ${nanOrInf(f)} on ${kindWords(f)} at ${placeText(f.layer, f.tap)}`,
    sentences: (f) =>
      `${f.implementation}, ${batchWords(f)}: the first ${nanOrInf(f)} is at ${placeText(f.layer, f.tap)}${
        f.scope === 'local' ? ", on the reference's Q, K, V" : ''
      }, on ${kindWords(f)}: ${plural(f.nan, 'NaN element')}, ${formatCount(f.inf)} infinite. ${
        f.origin === null
          ? `Fully masked rows do not explain it. Look at ${f.tap === 'attention' ? 'the mask, the scale and the size of the scores of that layer.' : 'the weights there and at the size of what enters them.'}`
          : originSentences(f.origin)
      }`,
  },
  'score-overflow': {
    clause: (f) =>
      `became NaN because its scores overflow ${f.precision} at layer ${f.origin.layer ?? 0}`,
    sentences: (f) => `${f.implementation}, ${batchWords(f)}: ${overflowSentences(f)}`,
  },
  'not-comparable': {
    clause: (f) => `could not be compared, because the reference ${f.reference} is not finite`,
    sentences: (f) =>
      `${f.implementation}, ${batchWords(f)}: from ${placeText(f.layer, f.tap)} on it cannot be compared on valid tokens, because the reference ${f.reference} is NaN or infinite there and ${f.implementation} is not. Choose a reference that stays finite (--reference).`,
  },
  'local-divergence': {
    clause: (f, reference) => `parted from ${reference} at layer ${f.layer} by more than rounding`,
    sentences: (f, reference) =>
      `${f.implementation}, batch ${f.batch}: the kernel of layer ${f.layer} parts from ${reference} on the same Q, K, V: relative L2 ${formatNumber(f.relL2)} on valid tokens, where rounding explains ${formatLimit(f.limit)}${
        f.firstToken === null ? '' : `; first at token position ${f.firstToken}`
      }. This is not padding. Look at mask, window, scale and softmax precision of that layer (attn-diff inspect), and add exact to --impl to see which of the two is nearer to the truth.`,
  },
  ...(Object.fromEntries(CAUSES.map((cause) => [cause, CAUSE])) as Record<Cause, typeof CAUSE>),
  'wrong-mask': {
    clause: (f) => `the mask of ${layersWords(f.layers)} ${maskFaultWords(f)}`,
    sentences: (f) =>
      `The mask of ${layersWords(f.layers)} (${f.node}) ${maskFaultWords(f)}. Every implementation but original is run with the mask that config.json asks for (${f.causal ? 'causal' : 'both directions'}), so the tables do not show it unless original is among --impl. Export again, or correct the graph${f.causal && (f.fault === 'future' || f.fault === 'padding') ? '; if the model is meant to attend in both directions, say so in config.json: "is_causal": false' : ''}.`,
  },
  'stray-cast': {
    clause: (f) => `layer ${f.layer} casts its ${CAST_WORDS[f.place]} to ${f.to}`,
    sentences: (f) =>
      `Layer ${f.layer} casts its ${CAST_WORDS[f.place]} from ${f.from} to ${f.to} (Cast '${f.node}'), which other layers do not. ${f.to === 'fp16' ? 'That rounds to 11 bits, and makes numbers beyond 65504 infinite.' : 'That rounds to 8 bits.'} ${
        f.place === 'output'
          ? 'Every implementation is run through it, so the tables do not show it.'
          : 'Every implementation but original is run without it, so the tables do not show it unless original is among --impl.'
      } Take the cast out of the graph, or export again.`,
  },
  'left-out': {
    clause: () => 'was left out, because it cannot be built for this model',
    sentences: (f) =>
      `${f.implementation} was not run: ${f.problem}. The others were. --impl names what is run, and makes this an error.`,
  },
  'window-not-as-configured': {
    clause: (f) =>
      `the file has ${windowWords(f.found)} where config.json asks for ${windowWords(f.expected)}`,
    sentences: (f) =>
      `The masks of ${f.layers.length === 1 ? 'layer' : 'layers'} ${rangesText(f.layers)} have ${windowWords(f.found)}, where config.json (use_sliding_window, layer_types, max_window_layers, sliding_window) asks for ${windowWords(f.expected)}. Every implementation is run with what the file has, so the table does not show it; prompts longer than the window give other results than in training. Export again with a transformers release that keeps the window, or correct config.json.`,
  },
  'not-as-configured': { clause: deviationClause, sentences: deviationSentences },
  'guarded-inf-mask': {
    clause: (f) =>
      `the file adds −inf to masked scores and guards after the softmax in ${f.layers.length === 1 ? 'layer' : 'layers'} ${rangesText(f.layers)}`,
    sentences: (f) =>
      `For training only: ${f.layers.length === 1 ? `layer ${f.layers[0]} adds −inf to masked scores and sets` : `layers ${rangesText(f.layers)} add −inf to masked scores and set`} NaN to 0 after the softmax; with left padding their gradients are NaN, on valid tokens too. Train with a finite fill, SDPA or right padding.`,
  },
  'propagation-only': {
    clause: (f, reference) =>
      f.kernels === 'right'
        ? `parted from ${reference} only by rounding that later layers amplified`
        : `parted from ${reference}, though no layer's attention did by more than rounding`,
    sentences: (f, reference) =>
      `${f.implementation}: no layer's attention parts from ${reference} by more than rounding (worst local relative L2 ${formatNumber(f.localRelL2)}), yet its own stream is ${formatNumber(f.accumulatedRelL2)} away at ${placeText(f.layer, f.tap)}. ${KERNEL_CLAIM[f.kernels]} Judge it by the logits or the loss, and add exact to --impl to see whether ${reference} is any nearer to the truth.`,
  },
  'within-rounding': {
    clause: (_, reference) => `stayed within rounding of ${reference}`,
    sentences: (f, reference) =>
      `${f.implementation} agrees with ${reference} on valid tokens to within rounding: worst relative L2 ${formatNumber(f.localRelL2)} local, ${formatNumber(f.accumulatedRelL2)} accumulated; limit ${formatLimit(f.limit)}. Carry on.`,
  },
  'kernel-fallback': {
    clause: (f) =>
      f.reason === 'other-type'
        ? `computed in ${typesText(f.ran)} what is written in ${f.written}`
        : `ran another kernel, ${f.kernel} on ${f.provider}`,
    sentences: (f) => {
      if (f.reason === 'other-type')
        return `${f.implementation} is written in ${f.written}, and ONNX Runtime ran ${f.kernel} on ${f.provider} in ${typesText(f.ran)}: ${typeWords(f)}`;
      return `${f.implementation} asked for ${askedText(f.asked)}, and ONNX Runtime ran ${f.kernel} on ${f.provider}: ${
        f.reason === 'other-provider'
          ? `what is compared here ran elsewhere. ${FALLBACK_REMEDY[f.asked.provider] ?? `${f.asked.provider} has no kernel for it; ask for another (kernel=…), or for ${f.implementation.split('@')[0]}@cpu.`}`
          : `what is compared here is not that kernel. ${KERNEL_REMEDY[f.asked.provider] ?? ''}`
      }`.trimEnd();
    },
  },
  'implementation-failed': {
    clause: (f) => `${FAILURE_CLAUSE[f.failure.kind]}`,
    sentences: (f) =>
      `${f.implementation} ${FAILURE_CLAUSE[f.failure.kind]} while ${f.failure.stage}${f.failure.batch === null ? '' : `, batch ${f.failure.batch}`}: ${failureText(f.failure)} The tables hold what it gave before that; the others ran on. ${FAILURE_REMEDY[f.failure.kind]}`,
  },
  'node-divergence': {
    clause: (f, reference) =>
      `parted from ${reference} because of ${nodesText(f)}, outside attention`,
    sentences: (f, reference) =>
      `${f.implementation}, batch ${f.batch}: no layer's attention parts from ${reference} by more than rounding, yet its own stream is ${formatNumber(f.accumulatedRelL2)} away (worst relative L2). Other nodes are computed differently there from what ${reference} runs on: on the same inputs, ${f.nodes
        .map(
          ({ name, opType, ranOn, relL2 }) =>
            `${opType} '${name}' (on ${ranOn}) ${Number.isNaN(relL2) ? 'is NaN where the other is not, or the other way round' : `is ${formatNumber(relL2)} away`}`,
        )
        .join(
          ', ',
        )}${f.more > 0 ? `, and ${f.more} more` : ''}; rounding explains ${formatLimit(f.limit)}. ${f.layer === 0 || f.layer === null ? '' : `It begins at layer ${f.layer}. `}${NODE_REMEDY(f)}`,
  },
  'kernel-fault': {
    clause: (f) =>
      `parted from ${f.against} at layer ${f.layers[0] ?? 0} because of its kernel on ${f.provider}`,
    sentences: (f) =>
      `${f.implementation}, batch ${f.batch}: the kernel of ${f.kernel} on ${f.provider} is at fault in ${f.layers.length === 1 ? 'layer' : 'layers'} ${rangesText(f.layers)}: on the same Q, K, V it is ${formatNumber(f.relL2)} from ${f.against} (relative L2 on valid tokens), where rounding explains ${formatLimit(f.limit)}, and the same computation as ${f.twin} is ${formatNumber(f.twinRelL2)} away. ${
        f.allHeads
          ? 'All query heads part'
          : `Query ${f.heads.length === 1 ? 'head' : 'heads'} ${rangesText(f.heads)} of the first of these layers ${f.heads.length === 1 ? 'parts' : 'part'}`
      }${f.firstToken === null ? '' : `, first at token position ${f.firstToken}`}. This is neither rounding, padding nor a setting. Use another kernel or provider, and report it: --save-repro writes a model of one node that shows it.`,
  },
  identical: {
    clause: (_, reference) => `gave the same bits as ${reference}`,
    sentences: (f, reference) =>
      `${f.implementation} is bit-identical to ${reference}: every difference, on every kind of token, is exactly 0.`,
  },
  'padding-by-design': {
    clause: () => 'differed on padding by design',
    sentences: (f) =>
      `${f.implementation} writes all-zero attention rows on ${formatCount(f.zeroRows)} of ${plural(f.tokens, 'padding token')}, ${f.reference} on ${formatCount(f.referenceZeroRows)}. By design: no valid token looks at these rows. Carry on, and keep padding out of the loss and of any mean over tokens.`,
  },
};

function batchWords({ batch, batches }: { batch: string; batches: number }): string {
  return batches === 1 ? `batch ${batch}` : `batch ${batch} and ${batches - 1} more`;
}

function nanOrInf({ nan, inf }: { nan: number; inf: number }): string {
  if (nan > 0 && inf > 0) return 'NaN and Inf';
  return nan > 0 ? 'NaN' : 'Inf';
}

function kindWords({ kind }: Args<'non-finite'>): string {
  return { valid: 'valid tokens', padding: 'padding tokens', fullyMasked: 'fully masked rows' }[
    kind
  ];
}

// One place to undo what TypeScript cannot follow: the wording of a code takes the finding of that code.
function wordsFor(finding: Finding): Words<Finding> {
  return WORDING[finding.code] as Words<Finding>;
}

/**
 * What was found, where, why, and what to do: some sentences on one line, without colour.
 *
 * @param reference the label of the reference
 */
export function findingText(finding: Finding, reference: string): string {
  return wordsFor(finding).sentences(finding, reference);
}

/**
 * What the finding says that its implementation did, as a clause without its subject: `stayed within rounding of eager`.
 * Of `nothing-compared`, which has no implementation, the whole clause.
 *
 * @param reference the label of the reference
 */
export function findingClause(finding: Finding, reference: string): string {
  return wordsFor(finding).clause(finding, reference);
}

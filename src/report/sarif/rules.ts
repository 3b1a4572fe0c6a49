import { FINDING_CODES, findingLevel } from '../../metrics/index.js';
import type { CheckName, Finding } from '../../types.js';
import type { Issue } from '../issues.js';

interface Words {
  /** What it is about, in a sentence. */
  short: string;
  /** What to do about it. */
  help: string;
}

const FINDINGS: Readonly<Record<Finding['code'], Words>> = {
  'nothing-compared': {
    short: 'Nothing was compared.',
    help: 'Name a second implementation with --impl, or give prompts that hold text.',
  },
  'fully-masked-nan': {
    short: 'Attention is NaN on rows that may look at no key.',
    help: 'Fill the mask with a finite number instead of −inf, use SDPA, or pad on the right. Setting such rows to 0 after the softmax helps only where masked scores are replaced: where −inf is added to them, gradients stay NaN.',
  },
  'non-finite': {
    short: 'NaN or Inf begins in this implementation.',
    help: 'Look at where it begins: the result names the layer, the step and the position.',
  },
  'score-overflow': {
    short: 'The scores leave the range of the precision.',
    help: 'Keep the scores in fp32 (--scores-precision fp32), or use bf16.',
  },
  'not-comparable': {
    short: 'The reference is not finite, so nothing can be said about this implementation.',
    help: 'Choose a reference that stays finite (--reference).',
  },
  'local-divergence': {
    short:
      'The kernel of a layer parts from the reference on the same Q, K, V by more than rounding.',
    help: 'Look at mask, window, scale and softmax precision of that layer (attn-diff inspect), or let attn-diff explain look for the cause.',
  },
  'low-precision-scores': {
    short: 'Scores are rounded to a low precision.',
    help: 'Keep the scores in fp32 (--scores-precision fp32).',
  },
  'softmax-precision': {
    short: 'The softmax is computed in a low precision.',
    help: 'Compute the softmax in fp32 (--softmax-precision fp32).',
  },
  'attention-precision': {
    short: 'All of attention is computed in a lower precision.',
    help: 'Compute attention in the precision of the reference, or judge it by the budgets of its own precision.',
  },
  underflow: {
    short: 'Small probabilities become 0.',
    help: 'Keep probabilities in a precision that holds them, or judge by the logits whether it matters.',
  },
  'scale-mismatch': {
    short: 'The scores are scaled otherwise.',
    help: 'Correct the scale: 1/√(head size), unless the model says otherwise.',
  },
  'window-mismatch': {
    short: 'The sliding window is another.',
    help: 'Give both the window of config.json.',
  },
  'causal-alignment': {
    short: 'Queries are held against the keys of the past otherwise.',
    help: 'Align causal masks at the bottom right where keys come from a cache.',
  },
  'mask-ignored': {
    short: 'A part of the mask is not applied.',
    help: 'Hand the mask to the kernel, or unpad the batch before it.',
  },
  'mask-shift': {
    short: 'The mask is shifted by some positions.',
    help: 'Correct the offset of the causal mask.',
  },
  'mask-fill': {
    short: 'Masked scores are filled with another number.',
    help: 'Fill them with the smallest finite number of the precision.',
  },
  'padding-side': {
    short: 'The mask is that of padding on the other side.',
    help: 'Pad, and mask, on the side that the implementation expects.',
  },
  'position-ids': {
    short: 'Positions are shifted.',
    help: 'Compute position ids from the attention mask, so that padding does not count.',
  },
  'head-mapping': {
    short: 'Query heads take the keys and values of other heads.',
    help: 'Repeat keys and values so that query head h takes head ⌊h / (H / Hkv)⌋.',
  },
  'wrong-mask': {
    short: 'The mask in the file is not the one that config.json asks for.',
    help: 'Export again, or correct the mask in the graph; where the model attends in both directions, say so in config.json ("is_causal": false).',
  },
  'stray-cast': {
    short: 'One layer casts to a type of fewer bits inside attention, and others do not.',
    help: 'Take the cast out of the graph, or export again.',
  },
  'left-out': {
    short: 'One of the usual implementations cannot be built for this model, and was not run.',
    help: 'No action needed; --impl names what is run.',
  },
  'window-not-as-configured': {
    short: 'The masks of the file have another sliding window than config.json says.',
    help: 'Export again with a transformers release that keeps the window, or correct config.json.',
  },
  'not-as-configured': {
    short:
      'The graph computes attention otherwise than config.json, or most of its layers, have it.',
    help: 'Export again, or correct config.json if the file is what was trained.',
  },
  'guarded-inf-mask': {
    short:
      'The file adds −inf to masked scores and sets NaN to 0 after the softmax: with left padding its gradients are NaN.',
    help: 'No action is needed for inference. To train: fill the mask with a finite number, replace masked scores (masked_fill) instead of adding to them, use SDPA, or pad on the right.',
  },
  'propagation-only': {
    short: 'The stream parts from the reference, though no layer parts by more than rounding.',
    help: 'Judge it by the logits or the loss, and add exact to --impl to see which of the two is nearer to the truth.',
  },
  'within-rounding': {
    short: 'The implementation agrees with the reference to within rounding.',
    help: 'Carry on.',
  },
  'kernel-fallback': {
    short: 'Another kernel ran than was asked for, or in another type.',
    help: 'Ask for a kernel and a precision that the provider has, or for another provider.',
  },
  'implementation-failed': {
    short: 'The implementation did not run to its end.',
    help: 'The result says how it ended and what to try.',
  },
  'node-divergence': {
    short: 'Nodes outside attention part on the same inputs.',
    help: 'Judge by the logits or the loss whether it matters.',
  },
  'kernel-fault': {
    short: 'A kernel is at fault: the same computation on the CPU does not part.',
    help: 'Use another kernel or provider, and report it: --save-repro writes a model of one layer that shows it.',
  },
  identical: {
    short: 'The implementation gives the same bits as the reference.',
    help: 'Carry on.',
  },
  'padding-by-design': {
    short: 'Implementations write different things on padding, by design.',
    help: 'Keep padding out of the loss and of any mean over tokens.',
  },
};

const LIMIT = 'Find what changed, or set the limit to what the result says would pass.';
const limited = (what: string): Words => ({ short: `${what} is beyond its limit.`, help: LIMIT });

/** That a finding fails the run is said by the finding's own rule. */
const CHECKS: Readonly<Record<Exclude<CheckName, 'finding'>, Words>> = {
  'max-abs': limited('The largest difference from the reference, max|Δ|,'),
  'min-cosine': limited('The smallest cosine between a token and its reference'),
  'max-ratio': limited("The error against exact, over that of eager at the run's precision,"),
  'mean-l2': limited('The mean L2 of the difference'),
  'rel-l2': limited('The relative L2 of the difference'),
  'mean-cosine': limited('The mean cosine'),
  bias: limited('The signed mean of the difference'),
  'exact-abs': limited('The largest difference from exact'),
  'exact-rel-l2': limited('The relative L2 of the difference from exact'),
  'ratio-fp32': limited('The error against exact, over that of eager in fp32,'),
  loss: limited('The difference of the next-token loss'),
  kl: limited('The KL divergence from the reference'),
  flips: limited('The share of predictions that change'),
  'non-finite': {
    short: 'A valid token is NaN or infinite.',
    help: 'Look at the findings: they say where it begins. Only --fail-on none lets it pass.',
  },
  compared: {
    short: 'No valid token was compared with the reference.',
    help: 'Name a second implementation (--impl), or give prompts that hold text.',
  },
  completed: {
    short: 'An implementation did not run to its end.',
    help: 'Look at the findings, or leave it out of --impl.',
  },
  kernel: {
    short: 'An implementation is not shown to have run the kernel that it asks for.',
    help: 'Ask for the kernel that runs, or drop --require-kernel.',
  },
  regression: {
    short: 'A number is worse than in the baseline.',
    help: 'Look at what changed since, or save a new baseline.',
  },
};

/** A reportingDescriptor of SARIF. */
export interface Rule {
  id: string;
  name: string;
  shortDescription: { text: string };
  fullDescription: { text: string };
  help: { text: string; markdown: string };
  defaultConfiguration: { level: Issue['level'] };
  properties: { tags: string[] };
}

/** The identifier of the rule that an issue breaks: `check-rel-l2`, `finding-scale-mismatch`. */
export function ruleId({ about, code }: Pick<Issue, 'about' | 'code'>): string {
  return `${about}-${code}`;
}

/** The same as one word, as SARIF has names: `CheckRelL2`. */
function pascalCase(id: string): string {
  return id.replaceAll(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase());
}

const rule = (
  about: Issue['about'],
  code: string,
  level: Issue['level'],
  { short, help }: Words,
): Rule => ({
  id: ruleId({ about, code }),
  name: pascalCase(ruleId({ about, code })),
  shortDescription: { text: short },
  fullDescription: { text: `${short} ${help}` },
  help: {
    text: `${short} ${help}`,
    markdown: `**${code}**: ${short.replaceAll('|', String.raw`\|`)}\n\n${help}`,
  },
  defaultConfiguration: { level },
  properties: { tags: [about, 'attention'] },
});

const LEVELS = { fault: 'warning', notice: 'note', fine: 'note' } as const;

/** All rules that there are, whether they were broken or not. */
export const RULES: readonly Rule[] = [
  ...Object.entries(CHECKS).map(([name, words]) => rule('check', name, 'error', words)),
  ...FINDING_CODES.map((code) =>
    rule('finding', code, LEVELS[findingLevel({ code })], FINDINGS[code]),
  ),
];

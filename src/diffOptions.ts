import type {
  AttentionPrecision,
  Alignment,
  Budget,
  Finding,
  KeyField,
  Level,
  MaskFill,
  PaddingSide,
  ProviderName,
  Scope,
  Tap,
  TokenKind,
} from './types.js';
import type { Dtype } from './model/dtype.js';

/** What is being done, and how much of it is done: bytes where a model is downloaded, steps of the run otherwise. */
export interface DiffProgress {
  stage: string;
  done: number;
  /** Null where the hub does not say how large a file is. */
  total: number | null;
}

/** A limit on one number, for some of what is measured, as in the `budgets` of a configuration file. */
export interface BudgetOption {
  /** The number that is limited. */
  metric: Budget['metric'];
  /** The largest value that passes; of a cosine it is `min`. One of them is needed, unless the level is `off`. */
  max?: number | undefined;
  /** Of `min-cosine` and `mean-cosine`: the smallest value that passes. */
  min?: number | undefined;
  /** By default `error`. */
  level?: Level | undefined;
  /** What is measured; all without. */
  tap?: Tap | readonly Tap[] | undefined;
  /** Both without. */
  scope?: Scope | readonly Scope[] | undefined;
  /** Layers from 0 and ranges of them, such as `20-27`; all without, and the logits then too. */
  layers?: number | string | readonly (number | string)[] | undefined;
  /** Labels as in `impl`; all without. */
  implementation?: string | readonly string[] | undefined;
  /** Names of batches, or their numbers with `data`; all without. */
  batch?: string | number | readonly (string | number)[] | undefined;
  /** By default `valid`. */
  kind?: TokenKind | readonly TokenKind[] | undefined;
}

/** How much findings count, by their codes; those that are not named have their usual level. */
export type FindingLevels = Partial<Record<Finding['code'], Level>>;

/** The options of `attn-diff run` by the names of their flags, with their defaults, and what only a caller can give. */
export interface DiffOptions {
  /** A model folder, an .onnx file, or owner/name[@revision] of a model on the hub. */
  model: string;
  /** Which .onnx file of a folder or of a model on the hub. */
  dtype?: Dtype | undefined;
  /** Implementations to compare: `eager`, `flash@webgpu`, `eager:scores=fp32`. */
  impl?: readonly string[] | undefined;
  /** What the others are compared with. */
  reference?: string | undefined;
  /** Execution provider of implementations that name none. */
  provider?: ProviderName | undefined;
  /** Seconds that one step of an implementation may take. */
  timeout?: number | undefined;
  /** A file of prompts: text, or JSONL. */
  prompts?: string | undefined;
  /** Prompts. */
  prompt?: readonly string[] | undefined;
  /** Puts each prompt through the model's chat template. */
  chat?: boolean | undefined;
  /** Rows of up to so many random tokens: `4x128`. */
  random?: `${number}x${number}` | undefined;
  /** A file of prompts for many batches. */
  data?: string | undefined;
  /** Rows in a batch of `data`. */
  batchSize?: number | undefined;
  /** Seed of `random`. */
  seed?: number | undefined;
  /** Tokens that every row is padded, and cut, to. */
  length?: number | undefined;
  /** One batch for each side. */
  padding?: readonly PaddingSide[] | undefined;
  /** Puts prompts one after another into rows, as documents that do not see each other. */
  pack?: boolean | undefined;
  /** Tokens of each row to run first, as the past of the others. */
  past?: number | undefined;
  /** A file with a 4D mask. */
  mask?: string | undefined;
  /** Which part of the batches to run: `2/4`. */
  shard?: `${number}/${number}` | undefined;
  /** What eager's masked scores are filled with. */
  maskFill?: MaskFill | undefined;
  /** What attention is run in. */
  precision?: AttentionPrecision | undefined;
  /** What eager rounds its scores to. */
  scoresPrecision?: AttentionPrecision | undefined;
  /** What eager's softmax is computed in. */
  softmaxPrecision?: AttentionPrecision | undefined;
  /** Keys per tile of the emulated flash kernel. */
  flashBlock?: number | undefined;
  /** What the result of every floating-point node of the model is rounded to. */
  activations?: 'fp16' | 'bf16' | undefined;
  /** With `past`: which keys the queries after it see. */
  causalAlignment?: Alignment | undefined;
  /** Tells the ranges of every head. */
  heads?: boolean | undefined;
  /** Fails when |difference| exceeds this on a valid token. */
  maxAbs?: number | undefined;
  /** Fails when the cosine of a valid token falls below this. */
  minCosine?: number | undefined;
  /** Fails when an error against exact exceeds so many times that of eager at the run's precision. */
  maxRatio?: number | undefined;
  /** `nan`: fails when a valid token is NaN or Inf. */
  failOn?: 'nan' | 'none' | undefined;
  /** Fails when an implementation is not shown to have run the kernel that it asks for. */
  requireKernel?: boolean | undefined;
  /** What it is to miss the limits that attn-diff sets for each precision. */
  defaultBudgets?: Level | undefined;
  /** A file of `--save-baseline`, or a report as JSON: fails where a number has grown since. */
  baseline?: string | undefined;
  /** With `baseline`: how many times what it was a number may be. */
  maxRegression?: number | undefined;
  /** With `baseline`: in what the two may differ. */
  allow?: readonly KeyField[] | undefined;
  /** Limits that hold where they match, the later replacing the earlier: after those of `config`, before `maxAbs`, `minCosine` and `maxRatio`. */
  budgets?: readonly BudgetOption[] | undefined;
  /** How much a finding counts, by its code. */
  findings?: FindingLevels | undefined;
  /** A configuration file, for what is not given here. None is taken unless it is named. */
  config?: string | undefined;
  /** Explains every layer that parts, as `attn-diff explain` does, rather than the first of each implementation. */
  explain?: boolean | undefined;
  /** Told of every step. */
  onProgress?: ((progress: DiffProgress) => void) | undefined;
  /** Told, in a sentence, of what is worth knowing although the run goes on: a hub that cannot be reached, for one. */
  onNotice?: ((text: string) => void) | undefined;
  /** Ends the run: its processes are killed, and the promise is rejected with the signal's reason. */
  signal?: AbortSignal | undefined;
}

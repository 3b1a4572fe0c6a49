/**
 * The data that passes between the rooms. Shapes use B batch, S query length,
 * T key length, H query heads, Hkv key/value heads, D head size.
 */

/** A dense row-major tensor; bool is one byte per element, float16 its bit patterns. */
export interface TensorData {
  type: 'float32' | 'float64' | 'float16' | 'int64' | 'int32' | 'bool';
  dims: readonly number[];
  data: Float32Array | Float64Array | Uint16Array | BigInt64Array | Int32Array | Uint8Array;
}

export type Tensors = Record<string, TensorData>;

/** Hugging Face's `attn_implementation` names, plus `exact` (float64) and `original` (the graph's own nodes). */
export const IMPLEMENTATIONS = ['eager', 'sdpa', 'flash', 'exact', 'original'] as const;
export type ImplementationName = (typeof IMPLEMENTATIONS)[number];

/**
 * One copy of the batch with its implementation; all copies run side by side. The label is the implementation's
 * name, numbered from the second time on: `eager`, `eager#2`.
 */
export interface Stream {
  label: string;
  name: ImplementationName;
}

export const PADDING_SIDES = ['left', 'right'] as const;
export type PaddingSide = (typeof PADDING_SIDES)[number];

/** Where a tensor is measured: what leaves attention, what leaves a layer, what leaves the model. */
export type Tap = 'attention' | 'hidden' | 'logits';

/**
 * `local`: the implementation on the reference stream's Q, K, V (what this layer's kernel introduces).
 * `accumulated`: the implementation in its own stream (what has built up).
 */
export type Scope = 'local' | 'accumulated';

/**
 * Every token is of exactly one kind: `valid` (attention_mask 1); `padding` (attention_mask 0, but its
 * query may look at some key); `fullyMasked` (attention_mask 0 and its query may look at no key).
 */
export const TOKEN_KINDS = ['valid', 'padding', 'fullyMasked'] as const;
export type TokenKind = (typeof TOKEN_KINDS)[number];

/** What numbers are computed in; `int8` is 8-bit rounding of tensors between float32 operations. */
export const PRECISIONS = ['fp32', 'fp64', 'fp16', 'int8'] as const;
export type Precision = (typeof PRECISIONS)[number];

/** What a masked score is filled with before the softmax: finfo(float32).min or −inf. */
export const MASK_FILLS = ['min', '-inf'] as const;
export type MaskFill = (typeof MASK_FILLS)[number];

/** One padded batch. All arrays are row-major [size, length]. */
export interface Batch {
  name: string;
  padding: PaddingSide;
  size: number;
  length: number;
  inputIds: BigInt64Array;
  /** 1 on real tokens, 0 on padding. */
  attentionMask: BigInt64Array;
  /** cumsum(attentionMask) − 1, and 1 on padding, as Hugging Face computes them. */
  positionIds: BigInt64Array;
  kinds: TokenKind[];
  /** Where the tokens come from: `built-in`, `--prompt`, a file name (each with `, chat` where the chat template took part), or `random`. */
  source: string;
}

/** Statistics of one tap of one stream, one number per token ([size·length], row-major). */
export interface TokenStats {
  /** Index into the run's batches. */
  batch: number;
  tap: Tap;
  scope: Scope;
  /** Null for the logits. */
  layer: number | null;
  /** The stream's label: `eager`, `eager#2`. */
  implementation: string;
  /** Elements per token (H·D, hidden size, or vocabulary size). */
  width: number;
  /** max |x − ref|; NaN where any element of the difference is NaN. */
  maxAbs: Float64Array;
  /** ‖x − ref‖₂ */
  l2Delta: Float64Array;
  /** ‖x‖₂ */
  l2: Float64Array;
  /** ‖ref‖₂ */
  l2Ref: Float64Array;
  /** x · ref */
  dot: Float64Array;
  /** Σ (x − ref) */
  sumDelta: Float64Array;
  /** NaN elements of x. */
  nan: Float64Array;
  /** Infinite elements of x. */
  inf: Float64Array;
}

/** TokenStats of one tap aggregated over the tokens of one kind. A flat row of the report. */
export interface Row {
  batch: string;
  layer: number | null;
  tap: Tap;
  scope: Scope;
  implementation: string;
  kind: TokenKind;
  /** How many tokens of this kind the row is made of. */
  tokens: number;
  maxAbs: number;
  meanL2: number;
  relL2: number;
  meanCosine: number;
  minCosine: number;
  bias: number;
  nan: number;
  inf: number;
  /** Tokens whose elements are all exactly zero. */
  zeroRows: number;
  /** Smallest sequence position that diverges, null where none does. */
  firstToken: number | null;
}

export interface ImplementationInfo {
  /** The stream's label: `eager`, `eager#2`. */
  name: string;
  /** The operator, or chain of operators, that the provider executed. */
  kernel: string;
  provider: string;
  precision: Precision;
  emulated: boolean;
  /** What shows that this kernel ran. */
  evidence: string;
}

export interface ModelInfo {
  path: string;
  family: string;
  layers: number;
  hiddenSize: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocabSize: number;
  exporter: string;
  opset: number;
  /** What the graph computes in outside attention. */
  precision: Precision;
  /** Attention form of the sites, e.g. `decomposed`, `onnx-attention`; joined by `+` where layers differ. */
  attention: string;
}

export interface EnvironmentInfo {
  attnDiff: string;
  node: string;
  onnxruntime: string;
  platform: string;
  arch: string;
  cpu: string;
}

export interface BatchInfo {
  name: string;
  padding: PaddingSide;
  size: number;
  length: number;
  source: string;
  tokens: Record<TokenKind, number>;
}

/** Proof, made on a short probe batch before every run, that rebuilding the graph changed nothing. */
export interface RebuildCheck {
  /** Relative L2 on the logits of `original` in the rebuilt graph against the unmodified file. */
  originalRelL2: number;
  originalLimit: number;
  /** The implementation that the graph's own attention should equal. */
  equivalent: ImplementationName;
  /** Largest relative L2, over layers, of `equivalent` against `original` on the same Q, K, V. */
  equivalentRelL2: number;
  equivalentLimit: number;
}

/** A finding is data: a code with its evidence. Its sentence is made in the report. */
export type Finding =
  | { code: 'padding-by-design'; implementation: string; zeroRows: number; reference: string; referenceZeroRows: number; tokens: number }
  | { code: 'fully-masked-nan'; implementation: string; layer: number; batch: string; kind: TokenKind; spreadsToValidAtLayer: number | null }
  | { code: 'non-finite'; implementation: string; layer: number | null; tap: Tap; scope: Scope; batch: string; kind: TokenKind; nan: number; inf: number }
  | { code: 'not-comparable'; implementation: string; reference: string; layer: number | null; tap: Tap; batch: string }
  | { code: 'propagation-only'; implementation: string; localRelL2: number; accumulatedRelL2: number; layer: number | null; tap: Tap }
  | { code: 'within-rounding'; implementation: string; localRelL2: number; accumulatedRelL2: number; limit: number }
  | { code: 'local-divergence'; implementation: string; layer: number; batch: string; relL2: number; limit: number; firstToken: number | null }
  | { code: 'identical'; implementation: string }
  /** Another kernel ran than the implementation's own. */
  | { code: 'kernel-fallback'; implementation: string; kernel: string }
  | { code: 'nothing-compared' };

export interface Check {
  name: 'max-abs' | 'min-cosine' | 'non-finite' | 'compared';
  operator: '<=' | '>=' | '==' | '>';
  expected: number;
  /** The worst value that was seen. */
  actual: number;
  layer: number | null;
  implementation: string;
  tap: Tap | null;
  scope: Scope | null;
  batch: string | null;
  passed: boolean;
}

export interface Verdict {
  passed: boolean;
  checks: Check[];
}

/** Thresholds of the gate; a threshold left out is not checked. */
export interface GateOptions {
  maxAbs?: number;
  minCosine?: number;
  failOn: 'nan' | 'none';
}

export const REPORT_SCHEMA = 'attn-diff/report/v1';

/** What a run found. Numbers may be NaN or infinite here; the JSON form writes those as strings. */
export interface DiffReport {
  schema: typeof REPORT_SCHEMA;
  model: ModelInfo;
  environment: EnvironmentInfo;
  batches: BatchInfo[];
  implementations: ImplementationInfo[];
  reference: string;
  rebuild: RebuildCheck;
  rows: Row[];
  findings: Finding[];
  verdict: Verdict;
  /** Wall-clock seconds; the only part that differs between two runs of one command. */
  timing: { loadSeconds: number; runSeconds: number };
}

export type AttentionForm = 'decomposed' | 'onnx-attention' | 'group-query-attention' | 'multi-head-attention';

/** What a site's mask does, found by evaluating the mask's own subgraph on probe inputs. */
export interface MaskSummary {
  form: 'additive' | 'boolean' | 'none';
  /** What masked scores are filled with; null for a boolean mask or none. */
  fill: number | null;
  causal: boolean;
  /** Whether attention_mask takes part. */
  padding: boolean;
  /** Sliding window in tokens (a query sees itself and window − 1 keys before it); null without. */
  window: number | null;
}

export interface LayerInspection {
  layer: number;
  form: AttentionForm;
  /** The node at the heart of the site: the Softmax, or the fused attention node. */
  node: string;
  mask: MaskSummary;
  scale: number;
  softmaxPrecision: 'fp32' | 'fp16' | 'fp64' | 'bf16';
  /** Whether the graph writes 0 where the softmax gave NaN (a fully masked row). */
  nanGuard: boolean;
}

export interface Inspection {
  model: ModelInfo;
  inputs: { name: string; type: string; shape: (string | number)[] }[];
  externalData: string[];
  layers: LayerInspection[];
  implementations: { name: ImplementationName; buildable: boolean; reason: string | null }[];
}

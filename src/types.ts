/**
 * The data that passes between the rooms. Shapes use B batch, S query length,
 * T key length, H query heads, Hkv key/value heads, D head size.
 */
import type { BaselineComparison } from './baselineTypes.js';
import type { ConfigurationInfo } from './configurationTypes.js';
import type { ConfigAspect, NotAsConfigured } from './configAspects.js';
import type { FileJudgement } from './fileTypes.js';
import type {
  Alignment,
  AttentionPrecision,
  Deviation,
  ImplementationName,
  ProviderName,
} from './stream.js';
import type { LeftOut, MaskFault, StrayCast } from './fileFaults.js';
import type {
  Failure,
  ImplementationInfo,
  ProofReason,
  RunImplementationInfo,
} from './implementationInfo.js';
import type { PaddingSide, Scope, Tap, TokenKind } from './tap.js';
import type { InputNote, LogitsInfo, OutputInfo } from './ioTypes.js';
import type { Precision } from './tensor.js';
import type { Shard } from './shardTypes.js';
import type { TokenMap } from './tokenMapTypes.js';
import type { Verdict } from './gateTypes.js';

export * from './baselineTypes.js';
export * from './compareTypes.js';
export * from './configurationTypes.js';
export * from './fileFaults.js';
export * from './configAspects.js';
export * from './fileTypes.js';
export * from './gateTypes.js';
export * from './historyTypes.js';
export * from './implementationInfo.js';
export * from './ioTypes.js';
export * from './shardTypes.js';
export * from './stream.js';
export * from './tap.js';
export * from './tensor.js';
export * from './tokenMapTypes.js';

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
  /** Which document each token belongs to, [size, length], −1 on padding, where several share a row (`--pack`); else null. */
  documents: Int32Array | null;
  /** A mask of its own, which replaces the causal padding mask; null without. */
  mask: BatchMask | null;
  /** Tokens of each row that are prefilled, the others being decoded with them as past; 0 for one pass. */
  past: number;
  /** Where the tokens come from: `built-in`, `--prompt`, a file name (each with `, chat` where the chat template took part), or `random`. */
  source: string;
}

/** A 4D mask that came with the batch: [B|1, H|1, S, S], row-major. */
export interface BatchMask {
  dims: readonly [number, number, number, number];
  /** 1 where the query may look at the key: the mask itself where it is boolean, and where the additive one is 0 or a bias. */
  allowed: Uint8Array;
  /** What is added to the scores; null for a boolean mask. */
  additive: Float32Array | null;
  /** The file it came from. */
  source: string;
}

/** Which keys a query may look at, beyond the batch's own padding, documents and mask. */
export interface MaskSpec {
  /** Sliding window in tokens, the query's own included; null without. */
  window: number | null;
  causal: boolean;
  /** `flipped` masks as many keys on the other side of each row. */
  padding: 'as given' | 'ignored' | 'flipped';
  alignment: Alignment;
  /** Query q sees the keys that query q + shift would see. */
  shift: number;
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
  /** max |x − exact|, ‖x − exact‖₂ and ‖exact‖₂: as maxAbs, l2Delta and l2Ref, against the truth. */
  maxAbsExact: Float64Array;
  l2DeltaExact: Float64Array;
  l2Exact: Float64Array;
  /** Σ (x − exact) */
  sumDeltaExact: Float64Array;
  /** 1 on the tokens that have such a tensor; absent where all have. */
  measured?: Uint8Array;
}

/** What one stream's logits predict, per token ([size·length], row-major). */
export interface TokenEffects {
  /** Index into the run's batches. */
  batch: number;
  implementation: string;
  /** −ln p(next token), nats; NaN where the logits are NaN. Meaningless where a token has no target. */
  nll: Float64Array;
  /** Σ p_ref (ln p_ref − ln p), nats, over the vocabulary: KL(reference ‖ implementation). */
  kl: Float64Array;
  /** The token of the largest logit (the first of equals). */
  top1: Float64Array;
  /** NaN logits. */
  nan: Float64Array;
  /** 1 on the tokens that have logits; absent where all have. */
  measured?: Uint8Array;
}

/** What an implementation does to the output, over the targets of one batch. */
export interface EffectRow {
  batch: string;
  implementation: string;
  /** Predictions that count: valid tokens whose next token is valid and of the same document. */
  targets: number;
  /** Mean −ln p(next token), nats. */
  loss: number;
  /** exp(loss) */
  perplexity: number;
  /** Mean KL(reference ‖ implementation), nats; 0 for the reference itself. */
  kl: number;
  /** Predictions whose most likely token is not the reference's; a prediction of NaN logits counts where the reference's is not NaN. */
  flips: number;
}

/** What attention's numbers are like on the reference stream's valid queries; worth watching while training. */
export interface RangeRow {
  batch: string;
  layer: number;
  /** Query head; null for all heads together. */
  head: number | null;
  /** max |QKᵀ|, unscaled, over all keys, masked ones included. */
  maxScore: number;
  /** max |QKᵀ| · |scale|: what the literature calls S_max, over the same keys. */
  scaledScore: number;
  /** 65504 / maxScore: below 1, fp16 overflows. */
  headroom: number;
  /** max |K| */
  maxKey: number;
  /** Mean over queries of −Σ p ln p, nats. */
  entropy: number;
  /** max over queries of |Σ p − 1|, with p rounded to the run's precision. */
  rowSumError: number;
  /** Share of the allowed probabilities that are 0 at the run's precision. */
  underflow: number;
  /** Mean over queries of ‖p‖₂. */
  weightsL2: number;
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
  /** max |x − exact| and √Σ‖x − exact‖² / √Σ‖exact‖²: the error against attention in float64. */
  exactMaxAbs: number;
  exactRelL2: number;
  /** Σ(x − exact) / (tokens · width): the signed mean, which rounding leaves near 0 unless it is biased. */
  exactBias: number;
  /** exactRelL2 over that of eager in fp32 at the same place: 0/0 is 1, x/0 is Infinity. */
  ratioFp32: number;
  /** exactMaxAbs over that of plain attention (eager) at the run's precision; flash-attention's own tests accept 2 for O. 0/0 is 1, x/0 is Infinity. */
  ratioPlain: number;
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
  /** Layers without softmax attention, by the kind that config.json gives them; only those with it are compared. */
  notCompared: { layer: number; type: string }[];
  /** Layers whose softmax has sinks, and the node that brings them in. */
  sinks: { layer: number; node: string }[];
}

/** A model that was run. */
export interface RunModelInfo extends ModelInfo {
  /** SHA-256 of the ONNX file and its external data, in hexadecimal. */
  sha256: string;
  /** What every floating-point result of the graph is rounded to, or those that a file in half precision holds in it; null for what the provider makes of the file. */
  activations: Exclude<AttentionPrecision, 'fp32'> | null;
}

/** What a command runs on: versions and the processor. */
export interface HostInfo {
  attnDiff: string;
  node: string;
  onnxruntime: string;
  platform: string;
  arch: string;
  cpu: string;
}

export interface EnvironmentInfo extends HostInfo {
  /** Name and driver of the GPU that a provider ran on, or may have; `unknown` where nothing tells; null where all ran on the CPU provider. */
  gpu: string | null;
  /** Where the libraries of NVIDIA lie that CUDA streams ran with, by folder; null where none ran on CUDA, and in reports that were saved without it. */
  cudaLibraries: string | null;
}

export interface BatchInfo {
  name: string;
  padding: PaddingSide;
  size: number;
  length: number;
  source: string;
  tokens: Record<TokenKind, number>;
  /** SHA-256 of token ids, masks and documents, in hexadecimal. */
  sha256: string;
}

/** Proof, made on a short probe batch before every run, that rebuilding the graph changed nothing. */
export interface RebuildCheck {
  /** Relative L2 on the logits of `original` in the rebuilt graph against the unmodified file in a session of defaults. */
  originalRelL2: number;
  originalLimit: number;
  /** The implementation that the graph's own attention should equal. */
  equivalent: ImplementationName;
  /** Largest relative L2, over layers, of `equivalent` against `original` on the same Q, K, V. */
  equivalentRelL2: number;
  equivalentLimit: number;
  /** Numbers of both comparisons that are NaN, or the same infinity, on both sides: the same result, which no relL2 is made of. */
  nonFinite: number;
  /**
   * What is the same for every valid token of the probe, of the file's own nodes: the attention of all layers, or the
   * logits. Whatever an implementation does, it does not show there.
   */
  constant: ('attention' | 'logits')[];
}

/** The first tensor of a stream that is not finite although what it is computed from is. */
export interface NonFiniteOrigin {
  /** Null before the first layer and after the last. */
  layer: number | null;
  /** A step of attention (the projected query, key and value are its inputs), or `node` outside attention. */
  step: 'scores' | 'scaled' | 'masked' | 'probabilities' | 'output' | 'node';
  /** The node, where the step is one of the file's own. */
  node: { name: string; opType: string } | null;
  /**
   * `overflow`: finite inputs gave an infinite result; `fully-masked`: a softmax over nothing but masked scores;
   * `invalid`: NaN from finite inputs otherwise; `weights`: a weight of the file is not finite; `inside-kernel`: the
   * kernel does not show its steps, and the same steps taken one by one stay finite.
   */
  kind: 'overflow' | 'fully-masked' | 'invalid' | 'weights' | 'inside-kernel';
  /** Name of the weight that is not finite; null of another kind. */
  weight: string | null;
  value: 'nan' | 'inf' | '-inf';
  /** Row of the batch; null for a weight. */
  row: number | null;
  /** Query head, query position and key position in the padded row, where the tensor has such an axis. */
  head: number | null;
  query: number | null;
  key: number | null;
  /** Largest finite magnitude in the same tensor: how near the rest is to overflowing; null where none is finite. */
  largest: number | null;
}

/** What makes two implementations part on the same Q, K, V. */
export const CAUSES = [
  'low-precision-scores',
  'softmax-precision',
  'attention-precision',
  'underflow',
  'scale-mismatch',
  'window-mismatch',
  'causal-alignment',
  'mask-ignored',
  'mask-shift',
  'mask-fill',
  'padding-side',
  'position-ids',
  'head-mapping',
] as const;
export type Cause = (typeof CAUSES)[number];

/** One factor that `explain` changed in the reference, and how much nearer that brought it to the implementation. */
export interface Factor {
  deviation: Deviation;
  /** The change that was made besides, in which case relL2 and explained are those of both; null without. */
  besides: Deviation | null;
  cause: Cause;
  /** Relative L2 of the implementation against the changed reference, on valid tokens. */
  relL2: number;
  /** 1 − ‖x − changed‖² / ‖x − reference‖²: the share of the difference that the change explains; negative where it leads away. */
  explained: number;
}

/** Why an implementation parts from the reference at one layer, on the same Q, K, V. */
export interface Explanation {
  implementation: string;
  reference: string;
  layer: number;
  batch: string;
  /** Relative L2 before any change. */
  relL2: number;
  /** Label of what was changed: the reference, or the implementation where the reference is at fault and is not eager. */
  changed: string;
  /** What was rebuilt in its place where it is not eager, which alone has all of the settings; null where it is itself. */
  standIn: string | null;
  /** What explains most first; of each kind of change that is searched for, the best. */
  factors: Factor[];
}

/** Which implementation to use, judged by this run. */
export interface Recommendation {
  /** For training: finite, nearest to exact within what rounding explains, no fault. Null where none is fit. */
  training: string | null;
  /** Where attention weights are needed, which sdpa and flash do not return. Null where none is fit. */
  weights: string | null;
  /** Labels with the codes of the findings that speak against them. */
  against: { implementation: string; codes: string[] }[];
}

/**
 * What is known of the kernels where no layer parts by more than rounding and the stream does: `right`, both are within
 * rounding of exact on the same Q, K, V; `far-from-exact`, one is not; `own-nodes`, one of the two is the file's own
 * nodes, so that no kernel was compared with another.
 */
export const KERNEL_CLAIMS = ['right', 'far-from-exact', 'own-nodes'] as const;
export type KernelClaim = (typeof KERNEL_CLAIMS)[number];

/** A finding is data: a code with its evidence. Its sentence is made in the report. */
export type Finding =
  | {
      code: 'padding-by-design';
      implementation: string;
      zeroRows: number;
      reference: string;
      referenceZeroRows: number;
      tokens: number;
    }
  /** `batches`: in how many the same is seen; `batch` is the first of them. */
  | {
      code: 'fully-masked-nan';
      implementation: string;
      layer: number;
      batch: string;
      batches: number;
      kind: TokenKind;
      spreadsToValidAtLayer: number | null;
    }
  | {
      code: 'non-finite';
      implementation: string;
      layer: number | null;
      tap: Tap;
      scope: Scope;
      batch: string;
      batches: number;
      kind: TokenKind;
      nan: number;
      inf: number;
      origin: NonFiniteOrigin | null;
    }
  /** QKᵀ, or the scores after the scale or the mask, left the range of the precision. */
  | {
      code: 'score-overflow';
      implementation: string;
      batch: string;
      batches: number;
      kind: TokenKind;
      precision: Precision;
      origin: NonFiniteOrigin;
    }
  | {
      code: 'not-comparable';
      implementation: string;
      reference: string;
      layer: number | null;
      tap: Tap;
      batch: string;
      batches: number;
    }
  | {
      code: 'propagation-only';
      implementation: string;
      localRelL2: number;
      accumulatedRelL2: number;
      layer: number | null;
      tap: Tap;
      kernels: KernelClaim;
    }
  | {
      code: 'within-rounding';
      implementation: string;
      localRelL2: number;
      accumulatedRelL2: number;
      limit: number;
    }
  | {
      code: 'local-divergence';
      implementation: string;
      layer: number;
      batch: string;
      relL2: number;
      limit: number;
      firstToken: number | null;
    }
  /**
   * A local divergence whose cause is known: `implementation` is the one at fault, `against` the one it was held
   * against, `deviation` what the one at fault does otherwise.
   */
  | {
      code: Cause;
      implementation: string;
      against: string;
      layers: number[];
      batch: string;
      relL2: number;
      limit: number;
      explained: number;
      deviation: Deviation;
      firstToken: number | null;
    }
  /** The file's mask does otherwise than config.json asks for; all but `original` are run with the right one. */
  | {
      code: 'wrong-mask';
      layers: number[];
      node: string;
      fault: MaskFault['kind'];
      query: number;
      key: number;
      value: number | null;
      causal: boolean;
    }
  /** One of the usual implementations was not run, because it cannot be built for this model. */
  | ({ code: 'left-out' } & LeftOut)
  /** A cast to a type of fewer bits in the attention of one layer, which the others do not have. */
  | ({ code: 'stray-cast'; layer: number } & StrayCast)
  /** The file's masks slide otherwise than config.json says. */
  | {
      code: 'window-not-as-configured';
      layers: number[];
      expected: number | null;
      found: number | null;
    }
  | NotAsConfigured
  /** The file adds −inf to masked scores and sets NaN probabilities to 0: finite forward, NaN gradients. */
  | { code: 'guarded-inf-mask'; layers: number[] }
  | { code: 'identical'; implementation: string }
  /** Another kernel ran than was asked for, or on another provider, or in another type. */
  | ({ code: 'kernel-fallback'; implementation: string; reason: ProofReason } & Pick<
      ImplementationInfo,
      'asked' | 'kernel' | 'provider' | 'written' | 'ran'
    >)
  /** The implementation did not run to its end; what it gave before that is in the tables. */
  | { code: 'implementation-failed'; implementation: string; failure: Failure }
  /**
   * Nodes outside attention that part from the reference's on the same inputs, on another provider or in a lane of
   * another opset; `layer` is the first at which the stream parts (null: after the last), `more` counts nodes that are
   * not listed. `relL2` is NaN where one of the two is NaN and the other is not.
   */
  | {
      code: 'node-divergence';
      implementation: string;
      provider: ProviderName;
      layer: number | null;
      batch: string;
      nodes: { name: string; opType: string; ranOn: string; relL2: number }[];
      more: number;
      limit: number;
      accumulatedRelL2: number;
    }
  /**
   * A local divergence of a kernel that the same implementation, run as `twin` on the CPU on the same Q, K, V, does not
   * have: neither rounding nor a setting, but the kernel. `heads` are the query heads that part.
   */
  | {
      code: 'kernel-fault';
      implementation: string;
      against: string;
      provider: ProviderName;
      kernel: string;
      twin: string;
      layers: number[];
      batch: string;
      relL2: number;
      limit: number;
      twinRelL2: number;
      heads: number[];
      allHeads: boolean;
      firstToken: number | null;
    }
  /** `constant`: what is the same for every token of the probe, so that no difference shows there; empty where there was nothing to compare with. */
  | { code: 'nothing-compared'; constant: RebuildCheck['constant'] };

/** What a report can be written as. */
export const REPORT_FORMATS = [
  'text',
  'json',
  'jsonl',
  'csv',
  'markdown',
  'junit',
  'sarif',
  'html',
  'github',
] as const;
export type ReportFormatName = (typeof REPORT_FORMATS)[number];

export const REPORT_SCHEMA = 'attn-diff/report/v1';

/** What a run found. Numbers may be NaN or infinite here; the JSON form writes those as strings. */
export interface DiffReport {
  schema: typeof REPORT_SCHEMA;
  /** Arguments of attn-diff that make this report, without those that only say where and how it is written. */
  command: string[];
  /** The configuration file that took part; null for none. */
  configFile: string | null;
  /** What it does to the run; null without one. */
  configuration: ConfigurationInfo | null;
  model: RunModelInfo;
  environment: EnvironmentInfo;
  batches: BatchInfo[];
  implementations: RunImplementationInfo[];
  reference: string;
  /** Of attention where an implementation has no other: that of plain attention, which `ratioPlain` is against. */
  precision: AttentionPrecision;
  rebuild: RebuildCheck;
  /** How the user's file, as it is, was judged. */
  file: FileJudgement;
  /** What is unusual about the file's inputs. */
  inputNotes: InputNote[];
  /** What the file gives out. */
  outputs: OutputInfo[];
  /** Null where there is no loss, since no output is over the vocabulary. */
  logits: LogitsInfo | null;
  rows: Row[];
  effects: EffectRow[];
  ranges: RangeRow[];
  /** Of at most four batches, those that part most. */
  maps: TokenMap[];
  explanations: Explanation[];
  findings: Finding[];
  recommendation: Recommendation;
  verdict: Verdict;
  /** Null where the run was held against no earlier one. */
  baseline: BaselineComparison | null;
  /** Null where the report is of all batches. */
  shard: Shard | null;
  /** Wall-clock seconds; the only part that differs between two runs of one command. */
  timing: { loadSeconds: number; runSeconds: number };
}

export type AttentionForm =
  'decomposed' | 'onnx-attention' | 'group-query-attention' | 'multi-head-attention';

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
  /** What was compared with config.json, or with the other layers. */
  checked: ConfigAspect[];
}

export interface Inspection {
  model: ModelInfo;
  inputs: { name: string; type: string; shape: (string | number)[] }[];
  inputNotes: InputNote[];
  outputs: OutputInfo[];
  /** Null where no output is over the vocabulary, so that a run has no loss. */
  logits: LogitsInfo | null;
  externalData: string[];
  layers: LayerInspection[];
  /** What is wrong with the file. */
  findings: Finding[];
  implementations: { name: ImplementationName; buildable: boolean; reason: string | null }[];
}

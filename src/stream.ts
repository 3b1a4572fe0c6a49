/** What a stream computes, and how. */

/** Hugging Face's `attn_implementation` names, plus `exact` (float64) and `original` (the graph's own nodes). */
export const IMPLEMENTATIONS = ['eager', 'sdpa', 'flash', 'exact', 'original'] as const;
export type ImplementationName = (typeof IMPLEMENTATIONS)[number];

/** What attention can be run in. */
export const ATTENTION_PRECISIONS = ['fp32', 'fp16', 'bf16'] as const;
export type AttentionPrecision = (typeof ATTENTION_PRECISIONS)[number];

/** ONNX Runtime's execution providers that its Node package may offer, by the names that package takes. */
export const PROVIDERS = ['cpu', 'webgpu', 'cuda', 'tensorrt', 'coreml', 'dml'] as const;
export type ProviderName = (typeof PROVIDERS)[number];

/**
 * Kernels that can be asked for by name: `attention` and `mha` are the operators of ai.onnx and com.microsoft;
 * `flash`, `naive`, `efficient`, `cudnn` and `math` are kernels behind one operator; `varlen` is attention on packed
 * rows of several lengths. Which of them an implementation has hangs on the provider: see attention/kernels.ts.
 */
export const KERNELS = [
  'attention',
  'mha',
  'flash',
  'naive',
  'efficient',
  'cudnn',
  'math',
  'varlen',
] as const;
export type KernelName = (typeof KERNELS)[number];

/**
 * How the query of row i is held against keys where P tokens came before: `bottom-right` lets row i see keys up to
 * P + i, `top-left` up to i. The same where P is 0.
 */
export const ALIGNMENTS = ['bottom-right', 'top-left'] as const;
export type Alignment = (typeof ALIGNMENTS)[number];

/** How an implementation is told of the mask: a tensor of 0 and the fill, a tensor of booleans, or the operator's own causal masking. */
export const MASK_FORMS = ['additive', 'boolean', 'causal'] as const;
export type MaskForm = (typeof MASK_FORMS)[number];

/** One thing that an implementation does otherwise; what `explain` tries, and what the fault bench plants. */
export type Deviation =
  /** The scale times this. */
  | { kind: 'scale'; factor: number }
  /** The sliding window in tokens; null for none. `slidingOnly` leaves layers without a window alone. */
  | { kind: 'window'; to: number | null; slidingOnly?: true }
  /** Query q sees the keys that query q + by would see. */
  | { kind: 'mask-shift'; by: number }
  /** Masks as many keys on the other side of each row. */
  | { kind: 'padding-side' }
  | { kind: 'mask-ignored'; part: 'causal' | 'padding' }
  | { kind: 'alignment'; to: Alignment }
  /** Query heads in another order; head h takes what head order[h] should. */
  | { kind: 'head-order'; order: readonly number[] }
  /** Query head h served by key/value head h mod Hkv instead of h div (H/Hkv). */
  | { kind: 'kv-mapping' }
  /** Queries turned by this many positions (rotary embedding with these inverse frequencies, D/2 of them). */
  | { kind: 'positions'; by: number; inverseFrequencies: readonly number[] }
  | { kind: 'mask-form'; to: MaskForm }
  | { kind: 'fill'; to: MaskFill }
  | { kind: 'precision'; to: AttentionPrecision }
  | { kind: 'scores-precision'; to: AttentionPrecision }
  | { kind: 'softmax-precision'; to: AttentionPrecision }
  /** Probabilities below this become 0. */
  | { kind: 'flush'; below: number }
  /** The first element of one query head's output is NaN on the last token. */
  | { kind: 'nan'; head: number };

/** How a stream computes attention. `exact` takes no notice of the precisions. */
export interface AttentionSettings {
  /** The execution provider that the stream's whole model is run on. */
  provider: ProviderName;
  precision: AttentionPrecision;
  /** What eager rounds QKᵀ, the scaled and the masked scores to; sdpa and flash keep them in fp32. */
  scoresPrecision: AttentionPrecision;
  /** What the softmax is computed in. */
  softmaxPrecision: AttentionPrecision;
  /** Keys per tile of the emulated flash kernel. */
  flashBlock: number;
  maskFill: MaskFill;
  /** Null for what the implementation does by itself: eager additive, sdpa and exact boolean. */
  maskForm: MaskForm | null;
  alignment: Alignment;
  /** The kernel asked for by name; null for the implementation's own. */
  kernel: KernelName | null;
  deviation: Deviation | null;
}

/**
 * One copy of the batch with its implementation; all copies run side by side. The label is the implementation's
 * name with what was set for it alone (`eager:scores=fp32`), numbered from the second time on: `eager`, `eager#2`.
 */
export interface Stream {
  label: string;
  name: ImplementationName;
  settings: AttentionSettings;
  /** Run to measure others against; it has no rows of its own. */
  hidden: boolean;
}

/** What a masked score is filled with before the softmax: the smallest finite number of the precision, −inf, or −10000. */
export const MASK_FILLS = ['min', '-inf', '-1e4'] as const;
export type MaskFill = (typeof MASK_FILLS)[number];

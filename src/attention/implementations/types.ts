import type { GraphBuilder } from '../../onnx/builder.js';
import type { DataType } from '../../onnx/types.js';
import type {
  AttentionSettings,
  ImplementationInfo,
  ImplementationName,
  MaskSpec,
} from '../../types.js';

/** A tensor on the way through attention, each computed from those before it. */
export const STEPS = ['scores', 'scaled', 'masked', 'probabilities', 'output'] as const;
export type Step = (typeof STEPS)[number];

/**
 * What an implementation is given to compute softmax(scale·QKᵀ + mask)·V. Tensors are of its input type, and hold
 * numbers of the settings' precision: query [B,H,S,D]; key and value [B,Hkv,T,D].
 */
export interface AttentionInputs {
  query: string;
  key: string;
  value: string;
  heads: number;
  kvHeads: number;
  headDim: number;
  scale: number;
  /** c of c·tanh(scores/c), applied to the scaled scores before the mask; null without. */
  softcap: number | null;
  /** A logit of each query head's own that takes part in its softmax and has no value; null without. */
  sinks: readonly number[] | null;
  /** Which keys a query may look at. */
  mask: MaskSpec;
  masks: Masks;
  settings: AttentionSettings;
  /** Tokens that come before the decoding steps, and how many of those there are; null for one pass over all. */
  decoding: Decoding | null;
  /** Told of the tensors on the way, by implementations that have them. */
  trace?: (step: Step, tensor: string) => void;
}

/** What a model's attention asks of a kernel. */
export interface AttentionTraits {
  headDim: number;
  /** Whether queries attend to no later token. */
  causal: boolean;
  /** Whether the softmax has sinks. */
  hasSinks: boolean;
}

export interface Decoding {
  past: number;
  steps: number;
}

/** Tensors of one unpadding: R rows of valid tokens, of at most L each. */
export interface Segments {
  /** int64 [R,L]: for slot j of row r, the flat index b·S+s of its j-th token. */
  gather: string;
  /** int64 [B,S]: for token s of row b, its flat slot r·L+j after gathering; R·L on padding. */
  scatter: string;
  /** int32 [R]: number of valid tokens − 1. */
  seqlensK: string;
  /** int32 scalar: L. */
  totalLength: string;
}

/** Tensors of a batch packed without padding: R rows, t valid tokens in all. */
export interface Packed {
  /** int64 [t]: the flat index b·S+s of each valid token, row by row. */
  gather: string;
  /** int64 [B,S]: where token s of row b went; t on padding. */
  scatter: string;
  /** int32 [R+1]: where each row begins, and t. */
  starts: string;
  /** int32 [R]: zeros, the tokens before each row's own. */
  pastLengths: string;
  /** int32 [R,P]: pages of the cache for each row, all of one row together. */
  pages: string;
}

/** Tensors that describe which key a query may look at; made once and shared by all layers and implementations. */
export interface Masks {
  /** bool [B,1|H,S,T]: true where the query may look at the key. */
  allowed(mask: MaskSpec): string;
  /** bool [B,1|H,S,1]: true where the query may look at any key at all. */
  rowHasKey(mask: MaskSpec): string;
  /** float32 [B,1|H,S,T]: what the batch's own additive mask adds where it allows; null without. */
  bias(): string | null;
  /**
   * float32, as `allowed`: 0, or the bias, where allowed, the fill elsewhere. Under the usual fill an additive mask of
   * the batch's own stays as it is.
   */
  additive(mask: MaskSpec, settings: AttentionSettings): string;
  /** The unpadding of all tokens, or of those that are prefilled. */
  segments(part: 'all' | 'prefill'): Segments;
  /** All valid tokens one after another. */
  packed(): Packed;
}

/** One way to compute attention, as nodes in the graph. */
export interface Implementation {
  name: Exclude<ImplementationName, 'original'>;
  /** Whether it stands for a kernel of its precision, with explicit rounding, rather than being one. */
  emulated: boolean;
  precision: ImplementationInfo['precision'];
  /** Operator sets that its nodes need at least. */
  opsets: readonly { domain: string; version: number }[];
  /** What `build` is handed Q, K and V in: float32, or the precision's own type where the provider computes in it. */
  inputType: DataType;
  /** Element type of the tensor that `build` returns. */
  outputType: 'float32' | 'float64';
  /** Operators whose execution identifies the kernel; the rest is layout. */
  computeOps: readonly string[];
  /** Why its kernel cannot compute this model's attention; null where it can. */
  obstacle?(model: AttentionTraits): string | null;
  /** Adds the nodes for one layer and returns the output, [B,H,S,D]. */
  build(builder: GraphBuilder, inputs: AttentionInputs): string;
}

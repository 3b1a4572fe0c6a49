import type { GraphBuilder } from '../../onnx/builder.js';
import type { ImplementationInfo, ImplementationName, MaskFill } from '../../types.js';

/**
 * What an implementation is given to compute softmax(scale·QKᵀ + mask)·V. Tensors are float32:
 * query [B,H,S,D]; key and value [B,Hkv,T,D].
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
  /** Sliding window in tokens, null without. */
  window: number | null;
  masks: Masks;
}

/** Tensors that describe which key a query may look at; made once and shared by all layers and implementations. */
export interface Masks {
  /** bool [B,1,S,T]: true where the query may look at the key. */
  allowed(window: number | null): string;
  /** bool [B,1,S,1]: true where the query may look at any key at all. */
  rowHasKey(window: number | null): string;
  /** float32 [B,1,S,T]: 0 where allowed, the fill elsewhere. */
  additive(window: number | null): string;
  /** int64 [B,S]: for slot j of row b, the flat index b·S+s of its j-th valid token. */
  gather(): string;
  /** int64 [B,S]: for token s of row b, its flat slot b·S+j after gathering; B·S on padding. */
  scatter(): string;
  /** int32 [B]: number of valid tokens − 1. */
  seqlensK(): string;
  /** int32 scalar: T. */
  totalLength(): string;
}

/** One way to compute attention, as nodes in the graph. */
export interface Implementation {
  name: Exclude<ImplementationName, 'original'>;
  precision: ImplementationInfo['precision'];
  /** Operator sets that its nodes need at least. */
  opsets: readonly { domain: string; version: number }[];
  /** Element type of the tensor that `build` returns. */
  outputType: 'float32' | 'float64';
  /** Operators whose execution identifies the kernel; the rest is layout. */
  computeOps: readonly string[];
  /** Why its kernel cannot compute heads of this size; null where it can. */
  obstacle?(headDim: number): string | null;
  /** Adds the nodes for one layer and returns the output, [B,H,S,D]. */
  build(builder: GraphBuilder, inputs: AttentionInputs): string;
}

/** The largest finite float32, negated: torch.finfo(torch.float32).min. */
const FLOAT32_MIN = -3.4028234663852886e38;

export function maskFillValue(fill: MaskFill): number {
  return fill === 'min' ? FLOAT32_MIN : -Infinity;
}

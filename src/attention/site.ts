import type { AttentionForm } from '../types.js';
import type { NodeProto } from '../onnx/types.js';

/** One factor of the attention scale: a tensor that multiplies, or divides, the query, the key or the scores. */
export interface ScaleFactor {
  tensor: string;
  divides: boolean;
}

/**
 * Where one layer's attention lies in the graph. Tensor shapes: query [B,H,S,D]; key and value [B,Hkv,T,D]
 * before repeat_kv (or [B,H,T,D] where the graph repeats in a way that is not taken apart); output [B,H,S,D].
 */
export interface AttentionSite {
  layer: number;
  form: AttentionForm;
  /** The node at the heart of the site: the Softmax, or the fused attention node. */
  core: NodeProto;
  /** The nodes that compute the attention, in order; what the report names as the original's kernel. */
  compute: NodeProto[];
  query: string;
  key: string;
  value: string;
  /** Whether key and value still have Hkv heads. */
  grouped: boolean;
  /** Mask tensor, additive or boolean, broadcastable to [B,H,S,T]. */
  mask: string | null;
  /** Product of these is the scale, times `scaleConstant`. */
  scaleFactors: ScaleFactor[];
  /** Scale that is an attribute; 1 where all of it is in `scaleFactors`; null for 1/√D by the operator's default. */
  scaleConstant: number | null;
  /** Causal masking by the operator itself (is_causal), on top of `mask`. */
  operatorCausal: boolean;
  softmaxPrecision: 'fp32' | 'fp16' | 'fp64' | 'bf16';
  nanGuard: boolean;
  output: string;
  /** The hidden state that leaves the layer, [B,S,hidden]. */
  hidden: string;
}

/** A site as a matcher finds it, before its place in the model is known. */
export type SiteMatch = Omit<AttentionSite, 'layer' | 'hidden'>;

/** Why a node that looked like attention is not recognised. */
export interface Rejection {
  node: NodeProto;
  problem: string;
}

export type MatchResult = { site: SiteMatch } | { rejection: Rejection } | null;

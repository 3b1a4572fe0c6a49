import type { AttentionForm } from '../types.js';
import type { NodeProto } from '../onnx/types.js';

/** One factor of the attention scale: a tensor that multiplies, or divides, the query, the key or the scores. */
export interface ScaleFactor {
  tensor: string;
  divides: boolean;
}

/** Rotary position embedding inside a fused node. cos and sin are [positions, R/2]. */
export interface Rotary {
  cos: string;
  sin: string;
  interleaved: boolean;
  /** int64 [B,S] of the graph; null where the operator counts from 0, so that the run's position_ids are used. */
  positions: string | null;
}

/** RMSNorm of each query and key head inside a fused node, before the rotary embedding. Weights are [D]. */
export interface QkNorm {
  query: string;
  key: string;
  epsilon: number;
}

/** Where a site's Q, K and V are. */
export type QkvSource =
  /** Query [B,H,S,D]; key and value [B,Hkv,T,D], or [B,H,T,D] where `grouped` is false; the key's last axes may be swapped. */
  | {
      kind: 'heads';
      query: string;
      key: string;
      value: string;
      grouped: boolean;
      keyTransposed: boolean;
    }
  /** Query [B,S,H·D], key and value [B,S,Hkv·D] (H·D where `grouped` is false); or all in `query`, side by side, and the others null. */
  | {
      kind: 'flat';
      query: string;
      key: string | null;
      value: string | null;
      grouped: boolean;
      norm: QkNorm | null;
      rotary: Rotary | null;
    };

/** What tells a site which keys a query may look at. */
export type MaskSource =
  /** Additive or boolean, broadcastable to [B,H,S,T]. */
  | { kind: 'tensor'; tensor: string }
  /** None, but for what the operator masks causally. */
  | { kind: 'none' }
  /** The operator masks causally and after each row's valid length: right padding only, or none where it keeps a ring cache. */
  | { kind: 'lengths'; window: number | null; ring: boolean };

/** Attention sinks: one logit for each query head. */
export interface Sink {
  /** The node that brings them in. */
  node: string;
  /** [H] or [B,H,S,1]; null for zeros. */
  tensor: string | null;
}

/** A pair of QuantizeLinear and DequantizeLinear: reading `to` instead of `from` goes around it. */
export interface Quantisation {
  from: string;
  to: string;
}

/** Where one layer's attention lies in the graph. */
export interface AttentionSite {
  layer: number;
  form: AttentionForm;
  /** The node at the heart of the site: the Softmax, or the fused attention node. */
  core: NodeProto;
  /** The nodes that compute the attention, in order; what the report names as the original's kernel. */
  compute: NodeProto[];
  qkv: QkvSource;
  mask: MaskSource;
  /** Product of these is the scale, times `scaleConstant`. */
  scaleFactors: ScaleFactor[];
  /** Scale that is an attribute; 1 where all of it is in `scaleFactors`; null for 1/√D by the operator's default. */
  scaleConstant: number | null;
  /** c of c·tanh(scores/c), applied to the scaled scores before the mask; null without. */
  softcap: number | null;
  /** Logits beside the scores that take part in the softmax and have no value; null without. */
  sink: Sink | null;
  /** Causal masking by the operator itself (is_causal), on top of the mask. */
  operatorCausal: boolean;
  softmaxPrecision: 'fp32' | 'fp16' | 'fp64' | 'bf16';
  nanGuard: boolean;
  /** Where the site's own nodes round to 8 bits; empty for attention in floating point. */
  quantisation: Quantisation[];
  /** [B,H,S,D], or [B,S,H·D] where `outputFlat`. */
  output: string;
  outputFlat: boolean;
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

/** The tensors that enter a site's own nodes, batch first. */
export function siteInputs({ qkv }: Pick<AttentionSite, 'qkv'>): string[] {
  return [qkv.query, qkv.key, qkv.value].filter((tensor) => tensor !== null);
}

/** Those, and the tables and weights that a fused node reads beside them. */
export function siteTensors(site: Pick<AttentionSite, 'qkv'>): string[] {
  const { qkv } = site;
  const extra =
    qkv.kind === 'flat' ? [qkv.rotary?.cos, qkv.rotary?.sin, qkv.norm?.query, qkv.norm?.key] : [];
  return [...siteInputs(site), ...extra.filter((tensor) => tensor !== undefined)];
}

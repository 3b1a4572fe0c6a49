import type { GraphBuilder } from '../onnx/builder.js';
import { DataType } from '../onnx/types.js';
import type { QkvSource, Rotary } from './site.js';

/** Opset of ai.onnx that RotaryEmbedding and RMSNormalization need. */
export const UNFOLD_OPSET = 23;

export interface HeadSizes {
  heads: number;
  kvHeads: number;
  headDim: number;
}

/** float32: query [B,H,S,D]; key and value [B,Hkv,T,D]. */
export interface Qkv {
  query: string;
  key: string;
  value: string;
}

/**
 * Adds the nodes that bring a site's Q, K and V to float32 [B,heads,tokens,D], unfolding what a fused node does
 * inside: the split of packed projections, the norm of queries and keys, and the rotary embedding.
 *
 * @param positions the run's position_ids, int64 [B,S], asked for only where a fused node counts positions itself
 */
export function buildQkv(
  builder: GraphBuilder,
  qkv: QkvSource,
  sizes: HeadSizes,
  typeOf: (tensor: string) => DataType,
  positions: () => string,
): Qkv {
  const float = (tensor: string): string =>
    typeOf(tensor) === DataType.FLOAT ? tensor : builder.cast(tensor, DataType.FLOAT);
  if (qkv.kind === 'heads') {
    const key = float(qkv.key);
    return {
      query: float(qkv.query),
      key: qkv.keyTransposed ? builder.transpose(key, 0, 1, 3, 2) : key,
      value: float(qkv.value),
    };
  }
  const { heads, headDim } = sizes;
  const kvHeads = qkv.grouped ? sizes.kvHeads : heads;
  const [query, key, value] = unpacked(builder, qkv, sizes, float);
  const split = (tensor: string, count: number): string =>
    builder.transpose(builder.reshapeTo(tensor, 0, 0, count, headDim), 0, 2, 1, 3);
  const rotate = (tensor: string): string =>
    qkv.rotary
      ? rotated(builder, tensor, qkv.rotary, qkv.rotary.positions ?? positions(), float)
      : tensor;
  const normed = (tensor: string, weight: string | undefined): string =>
    weight === undefined
      ? tensor
      : builder.op('RMSNormalization', [tensor, float(weight)], {
          axis: -1n,
          epsilon: qkv.norm!.epsilon,
        });
  return {
    query: rotate(normed(split(query, heads), qkv.norm?.query)),
    key: rotate(normed(split(key, kvHeads), qkv.norm?.key)),
    value: split(value, kvHeads),
  };
}

function unpacked(
  builder: GraphBuilder,
  { query, key, value }: Extract<QkvSource, { kind: 'flat' }>,
  { heads, kvHeads, headDim }: HeadSizes,
  float: (tensor: string) => string,
): [string, string, string] {
  if (key !== null && value !== null) return [float(query), float(key), float(value)];
  return builder.ops(
    'Split',
    [float(query), builder.ints(heads * headDim, kvHeads * headDim, kvHeads * headDim)],
    3,
    { axis: -1n },
  ) as [string, string, string];
}

/**
 * RoPE (Su et al. 2021, arXiv 2104.09864) as ai.onnx RotaryEmbedding, opset 23: each pair (a, b) of a head becomes
 * (a·cos − b·sin, b·cos + a·sin); pairs are element i of the two halves, or neighbours where interleaved.
 */
function rotated(
  builder: GraphBuilder,
  tensor: string,
  { cos, sin, interleaved }: Rotary,
  positions: string,
  float: (tensor: string) => string,
): string {
  return builder.op('RotaryEmbedding', [tensor, float(cos), float(sin), positions], {
    interleaved: interleaved ? 1n : 0n,
  });
}

import { newModel } from '../onnx/newModel.js';
import { DataType, type ModelProto } from '../onnx/types.js';
import type { TensorData, Tensors } from '../types.js';
import type { HeadSizes } from './qkv.js';

const LENGTH = 4;
/** What every element of Q and K is: with heads of eight or more, QKᵀ is at least 720,000, and 254,558 times the scale. */
const LARGE = 300;

/** Fused operators whose scores nothing shows. */
export const FUSED = ['GroupQueryAttention', 'Attention'] as const;
export type FusedOperator = (typeof FUSED)[number];

/** A fused operator alone, in float16, on scores beyond the range of float16. */
export interface HalfProof {
  model: ModelProto;
  feeds: Tensors;
  /** float32; all 1 where the scores were kept in a wider type, NaN where they were not. */
  output: string;
}

export function halfProof(
  operator: FusedOperator,
  { heads, kvHeads, headDim }: HeadSizes,
): HalfProof {
  const shapeOf = (count: number): number[] =>
    operator === 'Attention' ? [1, count, LENGTH, headDim] : [1, LENGTH, count * headDim];
  const full = (count: number, value: number): TensorData => ({
    type: 'float32',
    dims: shapeOf(count),
    data: new Float32Array(LENGTH * count * headDim).fill(value),
  });
  const feeds: Tensors = {
    query: full(heads, LARGE),
    key: full(kvHeads, LARGE),
    value: full(kvHeads, 1),
  };
  if (operator === 'GroupQueryAttention') {
    feeds['seqlens_k'] = { type: 'int32', dims: [1], data: Int32Array.of(LENGTH - 1) };
    feeds['total_length'] = { type: 'int32', dims: [], data: Int32Array.of(LENGTH) };
  }
  const { model, output } = newModel(
    'half proof',
    (builder) => {
      for (const [name, { type, dims }] of Object.entries(feeds))
        builder.input(name, type === 'int32' ? DataType.INT32 : DataType.FLOAT, dims);
      const [query, key, value] = ['query', 'key', 'value'].map((name) =>
        builder.cast(name, DataType.FLOAT16),
      ) as [string, string, string];
      const [attended] =
        operator === 'Attention'
          ? builder.ops('Attention', [query, key, value], 1)
          : builder.ops(
              'GroupQueryAttention',
              [query, key, value, '', '', 'seqlens_k', 'total_length'],
              3,
              { num_heads: BigInt(heads), kv_num_heads: BigInt(kvHeads) },
              'com.microsoft',
            );
      return builder.cast(attended!, DataType.FLOAT);
    },
    { '': 23, 'com.microsoft': 1 },
  );
  return { model, feeds, output };
}

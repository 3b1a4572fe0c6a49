import type { Implementation } from './types.js';

/**
 * Flash attention as com.microsoft `GroupQueryAttention`, the way Hugging Face's `flash_attention_2` uses its
 * kernel: the batch is unpadded (valid tokens moved to the front of their row), the causal kernel runs on the
 * valid lengths, and the result is scattered back into zeros. Both present outputs are wired: without them ONNX
 * Runtime's CPU provider takes its naive kernel instead.
 */
export const flash: Implementation = {
  name: 'flash',
  precision: 'fp32',
  opsets: [
    { domain: '', version: 13 },
    { domain: 'com.microsoft', version: 1 },
  ],
  outputType: 'float32',
  computeOps: ['GroupQueryAttention'],
  obstacle: (headDim) => (headDim % 8 === 0 ? null : `GroupQueryAttention takes head sizes that are a multiple of 8, and this model's is ${headDim}`),
  build(builder, { query, key, value, heads, kvHeads, headDim, scale, softcap, window, masks }) {
    const unpad = (tensor: string, tensorHeads: number): string => {
      const tokens = builder.reshapeTo(builder.transpose(tensor, 0, 2, 1, 3), -1, tensorHeads * headDim);
      return builder.op('Gather', [tokens, masks.gather()], { axis: 0n });
    };
    const [packed] = builder.ops(
      'GroupQueryAttention',
      [unpad(query, heads), unpad(key, kvHeads), unpad(value, kvHeads), '', '', masks.seqlensK(), masks.totalLength()],
      3,
      { num_heads: BigInt(heads), kv_num_heads: BigInt(kvHeads), scale, ...(softcap === null ? {} : { softcap }), ...(window === null ? {} : { local_window_size: BigInt(window) }) },
      'com.microsoft',
    );
    const zeroToken = builder.op('Expand', [builder.float(0), builder.ints(1, heads * headDim)]);
    const slots = builder.op('Concat', [builder.reshapeTo(packed!, -1, heads * headDim), zeroToken], { axis: 0n });
    const tokens = builder.op('Gather', [slots, masks.scatter()], { axis: 0n });
    return builder.transpose(builder.reshapeTo(tokens, 0, 0, heads, headDim), 0, 2, 1, 3);
  },
};

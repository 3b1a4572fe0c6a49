import type { AttentionPrecision } from '../../types.js';
import { fused, kernelObstacle, narrowed, widened } from './fused.js';
import { scattered, unpadded } from './unpadding.js';
import type { Implementation } from './types.js';

/** Tokens in a page of the cache: what CUDA's kernel needs. */
export const PAGE = 256;

/**
 * Variable-length attention, as flash_attn_varlen_func computes it: the valid tokens of all rows stand one after
 * another, and the kernel is told where each row begins. The operator is com.microsoft `PagedAttention`, whose cache
 * is made empty for it.
 */
export function varlen(precision: AttentionPrecision): Implementation {
  return {
    ...fused('flash', 'PagedAttention', precision),
    obstacle: (model) => kernelObstacle('PagedAttention', model),
    build(builder, inputs) {
      const {
        query,
        key,
        value,
        heads,
        kvHeads,
        headDim,
        scale,
        softcap,
        mask: { window },
        masks,
        settings,
      } = inputs;
      const packed = masks.packed();
      const pages = builder.op(
        'Concat',
        [
          builder.op('ReduceProd', [builder.op('Shape', [packed.pages])], { keepdims: 1n }),
          builder.ints(PAGE, kvHeads, headDim),
        ],
        { axis: 0n },
      );
      // Two zeros, +0 and -0, lest ONNX Runtime makes one buffer of both caches, which are written in place.
      const cache = (zero: number): string =>
        builder.op('Expand', [narrowed(builder, builder.float(zero), precision), pages]);
      // CUDA's kernel updates the caches in place and refuses outputs for them that are other buffers; ONNX Runtime
      // never makes them the same there, so none are given out. WebGPU's kernel needs them.
      const outputs = settings.provider === 'cuda' ? 1 : 3;
      const flat = (tensor: string, of: number): string =>
        unpadded(builder, tensor, of * headDim, packed);
      const qkv = [flat(query, heads), flat(key, kvHeads), flat(value, kvHeads)];
      const [output] = builder.ops(
        'PagedAttention',
        [...qkv, cache(0), cache(-0), packed.starts, packed.pastLengths, packed.pages],
        outputs,
        {
          num_heads: BigInt(heads),
          kv_num_heads: BigInt(kvHeads),
          scale,
          ...(softcap === null ? {} : { softcap }),
          ...(window === null ? {} : { local_window_size: BigInt(window) }),
        },
        'com.microsoft',
      );
      return scattered(builder, widened(builder, output!, precision), packed, inputs);
    },
  };
}

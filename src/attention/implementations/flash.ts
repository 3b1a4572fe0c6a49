import type { GraphBuilder } from '../../onnx/builder.js';
import { DataType } from '../../onnx/types.js';
import type { AttentionSettings } from '../../types.js';
import { isEmulated } from '../kernels.js';
import { flashTiles } from './flashTiles.js';
import { fused, kernelObstacle, widened } from './fused.js';
import { scattered, unpadded } from './unpadding.js';
import { varlen } from './varlen.js';
import type { AttentionInputs, Implementation } from './types.js';

/**
 * Flash attention, the way Hugging Face's `flash_attention_2` uses its kernel: the batch is unpadded (valid tokens
 * moved to the front of their row, or of a row of their document), the causal kernel runs on the valid lengths, and
 * the result is scattered back into zeros. Where the provider computes in the precision, the kernel is that of
 * com.microsoft `GroupQueryAttention`, or of `PagedAttention` ({@link varlen}); else the tiles of FlashAttention-2 with
 * its rounding ({@link flashTiles}).
 */
export function flash(settings: AttentionSettings): Implementation {
  const { precision, kernel } = settings;
  if (!isEmulated(settings)) return kernel === 'varlen' ? varlen(precision) : operator(precision);
  return {
    name: 'flash',
    emulated: true,
    precision,
    opsets: [{ domain: '', version: 18 }],
    inputType: DataType.FLOAT,
    outputType: 'float32',
    computeOps: ['MatMul', 'FusedMatMul', 'Exp'],
    build(builder, inputs) {
      const segments = inputs.masks.segments('all');
      const byHead = (tensor: string, heads: number): string =>
        builder.transpose(
          builder.reshapeTo(
            unpadded(builder, tensor, heads * inputs.headDim, segments),
            0,
            0,
            heads,
            inputs.headDim,
          ),
          0,
          2,
          1,
          3,
        );
      const [query, key, value] = [
        byHead(inputs.query, inputs.heads),
        byHead(inputs.key, inputs.kvHeads),
        byHead(inputs.value, inputs.kvHeads),
      ];
      const output = flashTiles(builder, { ...inputs, query, key, value }, segments.seqlensK);
      return scattered(builder, builder.transpose(output, 0, 2, 1, 3), segments, inputs);
    },
  };
}

function operator(precision: AttentionSettings['precision']): Implementation {
  return {
    ...fused('flash', 'GroupQueryAttention', precision),
    obstacle: (model) => kernelObstacle('GroupQueryAttention', model),
    build(builder, inputs) {
      const { query, key, value, heads, kvHeads, headDim, decoding } = inputs;
      if (decoding !== null)
        return widened(builder, decoded(builder, inputs, decoding.past, decoding.steps), precision);
      const segments = inputs.masks.segments('all');
      const [q, k, v] = [
        unpadded(builder, query, heads * headDim, segments),
        unpadded(builder, key, kvHeads * headDim, segments),
        unpadded(builder, value, kvHeads * headDim, segments),
      ];
      const { output } = attend(
        builder,
        inputs,
        [q, k, v],
        null,
        segments.seqlensK,
        segments.totalLength,
      );
      return scattered(builder, widened(builder, output, precision), segments, inputs);
    },
  };
}

/** Prefills the first tokens, then decodes one token after the other, each with the cache that the one before it left. */
function decoded(
  builder: GraphBuilder,
  inputs: AttentionInputs,
  past: number,
  steps: number,
): string {
  const { heads, kvHeads, headDim, masks } = inputs;
  const segments = masks.segments('prefill');
  const tensors = [
    { tensor: inputs.query, width: heads * headDim },
    { tensor: inputs.key, width: kvHeads * headDim },
    { tensor: inputs.value, width: kvHeads * headDim },
  ];
  const slice = (tensor: string, from: number, to: number): string =>
    builder.op('Slice', [tensor, builder.ints(from), builder.ints(to), builder.ints(2)]);
  const first = tensors.map(({ tensor, width }) =>
    unpadded(builder, slice(tensor, 0, past), width, segments),
  ) as [string, string, string];
  const prefill = attend(builder, inputs, first, null, segments.seqlensK, segments.totalLength);
  const outputs = [scattered(builder, prefill.output, segments, inputs)];
  // ONNX Runtime infers that a cache never grows, and would give a longer one the memory of a shorter: −1 hides the length.
  const hidden = ([key, value]: readonly [string, string]): [string, string] => [
    builder.reshapeTo(key, 0, 0, -1, headDim),
    builder.reshapeTo(value, 0, 0, -1, headDim),
  ];
  let cache = hidden(prefill.cache);
  for (let step = 0; step < steps; step++) {
    const at = past + step;
    const token = tensors.map(({ tensor, width }) =>
      builder.reshapeTo(builder.transpose(slice(tensor, at, at + 1), 0, 2, 1, 3), 0, 0, width),
    ) as [string, string, string];
    const int32 = (tensor: string): string => builder.cast(tensor, DataType.INT32);
    const seqlens = builder.op('Add', [segments.seqlensK, int32(builder.int(step + 1))]);
    const next = attend(builder, inputs, token, cache, seqlens, int32(builder.int(at + 1)));
    cache = hidden(next.cache);
    outputs.push(
      builder.transpose(builder.reshapeTo(next.output, 0, 0, heads, headDim), 0, 2, 1, 3),
    );
  }
  return builder.op('Concat', outputs, { axis: 2n });
}

/** Both present outputs are wired: without them ONNX Runtime's CPU provider takes its naive kernel instead. */
function attend(
  builder: GraphBuilder,
  { heads, kvHeads, scale, softcap, sinks, mask: { window } }: AttentionInputs,
  qkv: readonly [string, string, string],
  cache: readonly [string, string] | null,
  seqlensK: string,
  totalLength: string,
): { output: string; cache: readonly [string, string] } {
  const [output, key, value] = builder.ops(
    'GroupQueryAttention',
    [
      ...qkv,
      ...(cache ?? ['', '']),
      seqlensK,
      totalLength,
      ...(sinks === null
        ? []
        : [
            '',
            '',
            '',
            '',
            builder.op('CastLike', [builder.floats(sinks, [sinks.length]), qkv[0]]),
          ]),
    ],
    3,
    {
      num_heads: BigInt(heads),
      kv_num_heads: BigInt(kvHeads),
      scale,
      ...(softcap === null ? {} : { softcap }),
      ...(window === null ? {} : { local_window_size: BigInt(window) }),
    },
    'com.microsoft',
  );
  return { output: output!, cache: [key!, value!] };
}

import { AttnDiffError } from '../../errors.js';
import type { GraphBuilder } from '../../onnx/builder.js';
import { DataType } from '../../onnx/types.js';
import { isEmulated } from '../kernels.js';
import { rounded, softmax } from '../rounding.js';
import type { AttentionSettings } from '../../types.js';
import { flushed } from './flush.js';
import { fused, narrowed, widened } from './fused.js';
import { repeatKv } from './repeatKv.js';
import { sinksAsKey, withoutSinks, withSinks } from './sinks.js';
import { softcapped } from './softcap.js';
import type { AttentionInputs, Implementation } from './types.js';

/**
 * Scaled dot-product attention, as Hugging Face's `sdpa` calls torch's: with a boolean mask, unless the batch's own
 * mask is additive. Where the provider computes in the precision it is the ONNX operator `Attention` (opset 23), or
 * com.microsoft `MultiHeadAttention` if that is asked for, or cuDNN's kernel, which CUDA's `Attention` never takes under
 * a mask; else scores and softmax stay in fp32 and P and the output are rounded. Grouped heads are the operator's own. A fully masked row is zero; of `MultiHeadAttention`, whose mask is
 * additive, the mean of all values.
 */
export function sdpa(settings: AttentionSettings): Implementation {
  const { precision, kernel } = settings;
  if (precision !== 'fp32' && isEmulated(settings)) return emulated(precision);
  return kernel === 'mha' || kernel === 'cudnn'
    ? multiHead(precision, kernel)
    : operator(precision, kernel === 'efficient');
}

/** @param aligned whether to make the number of keys a multiple of 8, as CUDA's memory-efficient kernel needs it for its mask */
function operator(precision: AttentionSettings['precision'], aligned: boolean): Implementation {
  return {
    ...fused('sdpa', 'Attention', precision, [{ domain: '', version: 23 }]),
    build(builder, inputs) {
      const {
        query,
        key,
        value,
        heads,
        kvHeads,
        scale,
        softcap,
        sinks,
        mask,
        masks,
        settings,
        decoding,
      } = inputs;
      const attributes = { scale, ...(softcap === null ? {} : { softcap }) };
      if (settings.maskForm === 'causal')
        return widened(
          builder,
          byOperator(builder, inputs, attributes, decoding?.past ?? 0),
          precision,
        );
      const additive =
        sinks !== null ||
        settings.maskForm === 'additive' ||
        (settings.maskForm === null && masks.bias() !== null);
      const plain = additive
        ? narrowed(builder, masks.additive(mask, settings), precision)
        : masks.allowed(mask);
      const more =
        sinks === null
          ? { key, value, mask: plain }
          : sinksAsKey(builder, { query, key, value, mask: plain }, sinks);
      const [keys, values, own] = aligned
        ? alignedKeys(builder, more.key, more.value, more.mask, additive, precision)
        : [more.key, more.value, more.mask];
      // Of grouped heads CUDA's `Attention` gives the memory-efficient kernel those in fp16 and bf16 only.
      const repeats = aligned && precision === 'fp32';
      const perHead = (tensor: string): string =>
        repeats ? repeatKv(builder, tensor, heads, kvHeads) : tensor;
      const qkv = [query, perHead(keys), perHead(values)];
      return widened(builder, builder.op('Attention', [...qkv, own], attributes), precision);
    },
  };
}

/**
 * Keys that no query may attend to are appended until their number is a multiple of 8. Padding is done in float32,
 * which loses nothing: no provider has a Pad in bfloat16.
 */
function alignedKeys(
  builder: GraphBuilder,
  key: string,
  value: string,
  mask: string,
  additive: boolean,
  precision: AttentionSettings['precision'],
): [string, string, string] {
  const eight = builder.ints(8);
  const length = builder.op('Shape', [key], { start: 2n, end: 3n });
  const remainder = builder.op('Mod', [length, eight]);
  const missing = builder.op('Mod', [builder.op('Sub', [eight, remainder]), eight]);
  const after = (axis: number): string => {
    const before = builder.ints(...Array.from({ length: 4 + axis }, () => 0));
    return builder.op('Concat', [before, missing, ...(axis === 3 ? [] : [builder.ints(0)])], {
      axis: 0n,
    });
  };
  const padded = (tensor: string, axis: number, fill: string[] = []): string =>
    builder.op('Pad', [builder.cast(tensor, DataType.FLOAT), after(axis), ...fill]);
  const filled = padded(mask, 3, [builder.float(additive ? -Infinity : 0)]);
  return [
    narrowed(builder, padded(key, 2), precision),
    narrowed(builder, padded(value, 2), precision),
    additive ? narrowed(builder, filled, precision) : builder.cast(filled, DataType.BOOL),
  ];
}

/** com.microsoft `MultiHeadAttention` with the mask as its attention_bias; keys and values are repeated for it. */
function multiHead(
  precision: AttentionSettings['precision'],
  kernel: 'mha' | 'cudnn',
): Implementation {
  return {
    ...fused('sdpa', 'MultiHeadAttention', precision),
    build(
      builder,
      { query, key, value, heads, kvHeads, headDim, scale, softcap, sinks, mask, masks, settings },
    ) {
      if (softcap !== null)
        throw new AttnDiffError('not-buildable', {
          implementation: `sdpa:kernel=${kernel}`,
          problem: 'MultiHeadAttention has no softcap, and this model has one',
        });
      const flat = (tensor: string): string =>
        builder.reshapeTo(builder.transpose(tensor, 0, 2, 1, 3), 0, 0, heads * headDim);
      const plain = {
        key,
        value,
        mask: narrowed(builder, masks.additive(mask, settings), precision),
      };
      const more = sinks === null ? plain : sinksAsKey(builder, { ...plain, query }, sinks);
      const [keys, values] = [
        repeatKv(builder, more.key, heads, kvHeads),
        repeatKv(builder, more.value, heads, kvHeads),
      ];
      const output = builder.op(
        'MultiHeadAttention',
        [flat(query), flat(keys), flat(values), '', '', more.mask],
        { num_heads: BigInt(heads), scale },
        'com.microsoft',
      );
      return widened(
        builder,
        builder.transpose(builder.reshapeTo(output, 0, 0, heads, headDim), 0, 2, 1, 3),
        precision,
      );
    },
  };
}

/** Without a mask, is_causal: keys before the queries are handed over side by side with the new ones, as Hugging Face's cache does. */
function byOperator(
  builder: GraphBuilder,
  { query, key, value }: AttentionInputs,
  attributes: Record<string, number>,
  past: number,
): string {
  const attend = (q: string, k: string, v: string): string =>
    builder.op('Attention', [q, k, v], { ...attributes, is_causal: 1n });
  if (past === 0) return attend(query, key, value);
  const slice = (tensor: string, from: number, to: number): string =>
    builder.op('Slice', [tensor, builder.ints(from), builder.ints(to), builder.ints(2)]);
  const [first, rest] = [slice(query, 0, past), slice(query, past, 2 ** 31 - 1)];
  return builder.op(
    'Concat',
    [attend(first, slice(key, 0, past), slice(value, 0, past)), attend(rest, key, value)],
    { axis: 2n },
  );
}

function emulated(precision: Exclude<AttentionSettings['precision'], 'fp32'>): Implementation {
  return {
    name: 'sdpa',
    emulated: true,
    precision,
    opsets: [{ domain: '', version: 18 }],
    inputType: DataType.FLOAT,
    outputType: 'float32',
    computeOps: ['MatMul', 'FusedMatMul', 'Softmax'],
    build(
      builder,
      {
        query,
        key,
        value,
        heads,
        kvHeads,
        scale,
        softcap,
        sinks,
        mask,
        masks,
        settings,
        trace = () => undefined,
      },
    ) {
      const keys = repeatKv(builder, key, heads, kvHeads);
      const values = repeatKv(builder, value, heads, kvHeads);
      const scores = builder.op('MatMul', [query, builder.transpose(keys, 0, 1, 3, 2)]);
      trace('scores', scores);
      const scaled = softcapped(
        builder,
        builder.op('Mul', [scores, builder.float(scale)]),
        softcap,
      );
      trace('scaled', scaled);
      const bias = masks.bias();
      const biased = bias === null ? scaled : builder.op('Add', [scaled, bias]);
      const masked = builder.op('Where', [masks.allowed(mask), biased, builder.float(-Infinity)]);
      trace('masked', masked);
      const weights = builder.op('Where', [
        masks.rowHasKey(mask),
        withoutSinks(builder, softmax(builder, withSinks(builder, masked, sinks), 'fp32'), sinks),
        builder.float(0),
      ]);
      const probabilities = flushed(builder, rounded(builder, weights, precision), settings);
      trace('probabilities', probabilities);
      const output = rounded(builder, builder.op('MatMul', [probabilities, values]), precision);
      trace('output', output);
      return output;
    },
  };
}

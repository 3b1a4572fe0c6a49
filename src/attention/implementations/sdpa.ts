import type { GraphBuilder } from '../../onnx/builder.js';
import { rounded, softmax } from '../rounding.js';
import type { AttentionSettings } from '../../types.js';
import { flushed } from './flush.js';
import { repeatKv } from './repeatKv.js';
import { softcapped } from './softcap.js';
import type { AttentionInputs, Implementation } from './types.js';

/**
 * Scaled dot-product attention, as Hugging Face's `sdpa` calls torch's: with a boolean mask, unless the batch's own
 * mask is additive. In fp32 it is the ONNX operator `Attention` (opset 23); below, scores and softmax stay in fp32
 * and P and the output are rounded. Grouped heads are the operator's own. A fully masked row is zero.
 */
export function sdpa({ precision }: AttentionSettings): Implementation {
  return precision === 'fp32' ? OPERATOR : emulated(precision);
}

const OPERATOR: Implementation = {
  name: 'sdpa',
  emulated: false,
  precision: 'fp32',
  opsets: [{ domain: '', version: 23 }],
  outputType: 'float32',
  computeOps: ['Attention'],
  build(builder, inputs) {
    const { query, key, value, scale, softcap, mask, masks, settings, decoding } = inputs;
    const attributes = { scale, ...(softcap === null ? {} : { softcap }) };
    if (settings.maskForm === 'causal') return byOperator(builder, inputs, attributes, decoding?.past ?? 0);
    const additive = settings.maskForm === 'additive' || (settings.maskForm === null && masks.bias() !== null);
    return builder.op('Attention', [query, key, value, additive ? masks.additive(mask, settings) : masks.allowed(mask)], attributes);
  },
};

/** Without a mask, is_causal: keys before the queries are handed over side by side with the new ones, as Hugging Face's cache does. */
function byOperator(builder: GraphBuilder, { query, key, value }: AttentionInputs, attributes: Record<string, number>, past: number): string {
  const attend = (q: string, k: string, v: string): string => builder.op('Attention', [q, k, v], { ...attributes, is_causal: 1n });
  if (past === 0) return attend(query, key, value);
  const slice = (tensor: string, from: number, to: number): string => builder.op('Slice', [tensor, builder.ints(from), builder.ints(to), builder.ints(2)]);
  const [first, rest] = [slice(query, 0, past), slice(query, past, 2 ** 31 - 1)];
  return builder.op('Concat', [attend(first, slice(key, 0, past), slice(value, 0, past)), attend(rest, key, value)], { axis: 2n });
}

function emulated(precision: Exclude<AttentionSettings['precision'], 'fp32'>): Implementation {
  return {
    name: 'sdpa',
    emulated: true,
    precision,
    opsets: [{ domain: '', version: 18 }],
    outputType: 'float32',
    computeOps: ['MatMul', 'FusedMatMul', 'Softmax'],
    build(builder, { query, key, value, heads, kvHeads, scale, softcap, mask, masks, settings, trace = () => undefined }) {
      const keys = repeatKv(builder, key, heads, kvHeads);
      const values = repeatKv(builder, value, heads, kvHeads);
      const scores = builder.op('MatMul', [query, builder.transpose(keys, 0, 1, 3, 2)]);
      trace('scores', scores);
      const scaled = softcapped(builder, builder.op('Mul', [scores, builder.float(scale)]), softcap);
      trace('scaled', scaled);
      const bias = masks.bias();
      const biased = bias === null ? scaled : builder.op('Add', [scaled, bias]);
      const masked = builder.op('Where', [masks.allowed(mask), biased, builder.float(-Infinity)]);
      trace('masked', masked);
      const weights = builder.op('Where', [masks.rowHasKey(mask), softmax(builder, masked, 'fp32'), builder.float(0)]);
      const probabilities = flushed(builder, rounded(builder, weights, precision), settings);
      trace('probabilities', probabilities);
      const output = rounded(builder, builder.op('MatMul', [probabilities, values]), precision);
      trace('output', output);
      return output;
    },
  };
}

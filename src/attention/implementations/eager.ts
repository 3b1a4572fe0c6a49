import type { Implementation } from './types.js';
import { repeatKv } from './repeatKv.js';
import { softcapped } from './softcap.js';

/**
 * Hugging Face's `eager_attention_forward`: repeat_kv; QKᵀ; times scale; plus an additive mask of 0 and the fill
 * (finfo(dtype).min unless told otherwise); softmax; PV. A fully masked row becomes the mean of all values under
 * finfo.min, NaN under −inf.
 */
export const eager: Implementation = {
  name: 'eager',
  precision: 'fp32',
  opsets: [{ domain: '', version: 13 }],
  outputType: 'float32',
  computeOps: ['MatMul', 'FusedMatMul', 'Softmax'],
  build(builder, { query, key, value, heads, kvHeads, scale, softcap, window, masks }) {
    const keys = repeatKv(builder, key, heads, kvHeads);
    const values = repeatKv(builder, value, heads, kvHeads);
    const scores = builder.op('MatMul', [query, builder.transpose(keys, 0, 1, 3, 2)]);
    const scaled = builder.op('Mul', [scores, builder.float(scale)]);
    const masked = builder.op('Add', [softcapped(builder, scaled, softcap), masks.additive(window)]);
    const probabilities = builder.op('Softmax', [masked], { axis: -1n });
    return builder.op('MatMul', [probabilities, values]);
  },
};

import { maskFillValue, product, rounded, softmax } from '../rounding.js';
import type { AttentionSettings } from '../../types.js';
import type { Implementation } from './types.js';
import { flushed } from './flush.js';
import { repeatKv } from './repeatKv.js';
import { softcapped } from './softcap.js';

/**
 * Hugging Face's `eager_attention_forward`: repeat_kv; QKᵀ; times scale; plus an additive mask of 0 and the fill
 * (finfo(dtype).min unless told otherwise); softmax in float32, cast back; PV. Below fp32 each of these results is
 * rounded, the sums inside a product are not. A fully masked row becomes the mean of all values under finfo.min,
 * NaN under −inf.
 */
export function eager({ precision, scoresPrecision, softmaxPrecision }: AttentionSettings): Implementation {
  return {
    name: 'eager',
    emulated: [precision, scoresPrecision, softmaxPrecision].some((each) => each !== 'fp32'),
    precision,
    opsets: [{ domain: '', version: 18 }],
    outputType: 'float32',
    computeOps: softmaxPrecision === 'fp32' ? ['MatMul', 'FusedMatMul', 'Softmax'] : ['MatMul', 'FusedMatMul', 'Exp', 'ReduceSum', 'Div'],
    build(builder, { query, key, value, heads, kvHeads, scale, softcap, mask, masks, settings, trace = () => undefined }) {
      const score = (tensor: string): string => rounded(builder, tensor, scoresPrecision);
      const keys = repeatKv(builder, key, heads, kvHeads);
      const values = repeatKv(builder, value, heads, kvHeads);
      const scores = product(builder, query, builder.transpose(keys, 0, 1, 3, 2), scoresPrecision);
      trace('scores', scores);
      const scaled = score(builder.op('Mul', [scores, builder.float(scale)]));
      trace('scaled', scaled);
      const capped = score(softcapped(builder, scaled, softcap));
      const masked = settings.maskForm === 'boolean'
        ? builder.op('Where', [masks.allowed(mask), capped, builder.float(maskFillValue(settings))])
        : score(builder.op('Add', [capped, masks.additive(mask, settings)]));
      trace('masked', masked);
      const probabilities = flushed(builder, rounded(builder, softmax(builder, masked, softmaxPrecision), precision), settings);
      trace('probabilities', probabilities);
      const output = product(builder, probabilities, values, precision);
      trace('output', output);
      return output;
    },
  };
}

import { HALF_TYPES } from '../../onnx/half.js';
import { DataType } from '../../onnx/types.js';
import { isEmulated } from '../kernels.js';
import { maskFillValue, product, rounded, softmax } from '../rounding.js';
import type { AttentionSettings } from '../../types.js';
import type { Implementation } from './types.js';
import { flushed } from './flush.js';
import { repeatKv } from './repeatKv.js';
import { withoutSinks, withSinks } from './sinks.js';
import { softcapped } from './softcap.js';

/**
 * Hugging Face's `eager_attention_forward`: repeat_kv; QKᵀ; times scale; plus an additive mask of 0 and the fill
 * (finfo(dtype).min unless told otherwise); softmax in float32, cast back; PV. Below fp32 each of these results is
 * rounded, the sums inside a product are not. A fully masked row becomes the mean of all values under finfo.min,
 * NaN under −inf.
 */
export function eager(settings: AttentionSettings): Implementation {
  const { precision } = settings;
  return precision !== 'fp32' && !isEmulated(settings)
    ? inItsOwnType(precision, settings)
    : inFloat32(settings);
}

/** Where the provider computes in the precision: its own kernels round, and only scores and softmax may be kept wider. */
function inItsOwnType(
  precision: Exclude<AttentionSettings['precision'], 'fp32'>,
  { scoresPrecision, softmaxPrecision }: AttentionSettings,
): Implementation {
  const type = HALF_TYPES[precision];
  return {
    name: 'eager',
    emulated: false,
    precision,
    opsets: [{ domain: '', version: 18 }],
    inputType: type,
    outputType: 'float32',
    computeOps: ['MatMul', 'FusedMatMul', 'Softmax'],
    build(
      builder,
      { query, key, value, heads, kvHeads, scale, softcap, sinks, mask, masks, settings },
    ) {
      const scoreType = scoresPrecision === 'fp32' ? DataType.FLOAT : type;
      const as = (tensor: string, to: DataType): string => builder.cast(tensor, to);
      const wide = (tensor: string): string =>
        scoreType === type ? tensor : as(tensor, scoreType);
      const keys = repeatKv(builder, key, heads, kvHeads);
      const values = repeatKv(builder, value, heads, kvHeads);
      const scores = builder.op('MatMul', [wide(query), builder.transpose(wide(keys), 0, 1, 3, 2)]);
      const scaled = builder.op('Mul', [scores, as(builder.float(scale), scoreType)]);
      const capped =
        softcap === null
          ? scaled
          : as(softcapped(builder, as(scaled, DataType.FLOAT), softcap), scoreType);
      const masked =
        settings.maskForm === 'boolean'
          ? builder.op('Where', [
              masks.allowed(mask),
              capped,
              as(builder.float(maskFillValue(settings)), scoreType),
            ])
          : builder.op('Add', [capped, as(masks.additive(mask, settings), scoreType)]);
      const logits = withSinks(builder, masked, sinks, 'float32', (column) =>
        as(column, scoreType),
      );
      const weights =
        softmaxPrecision === 'fp32'
          ? builder.op('Softmax', [as(logits, DataType.FLOAT)], { axis: -1n })
          : builder.op('Softmax', [logits], { axis: -1n });
      const probabilities = as(withoutSinks(builder, weights, sinks), type);
      return as(builder.op('MatMul', [probabilities, values]), DataType.FLOAT);
    },
  };
}

function inFloat32({
  precision,
  scoresPrecision,
  softmaxPrecision,
}: AttentionSettings): Implementation {
  return {
    name: 'eager',
    emulated: [precision, scoresPrecision, softmaxPrecision].some((each) => each !== 'fp32'),
    precision,
    opsets: [{ domain: '', version: 18 }],
    inputType: DataType.FLOAT,
    outputType: 'float32',
    computeOps:
      softmaxPrecision === 'fp32'
        ? ['MatMul', 'FusedMatMul', 'Softmax']
        : ['MatMul', 'FusedMatMul', 'Exp', 'ReduceSum', 'Div'],
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
      const score = (tensor: string): string => rounded(builder, tensor, scoresPrecision);
      const keys = repeatKv(builder, key, heads, kvHeads);
      const values = repeatKv(builder, value, heads, kvHeads);
      const scores = product(builder, query, builder.transpose(keys, 0, 1, 3, 2), scoresPrecision);
      trace('scores', scores);
      const scaled = score(builder.op('Mul', [scores, builder.float(scale)]));
      trace('scaled', scaled);
      const capped = score(softcapped(builder, scaled, softcap));
      const masked =
        settings.maskForm === 'boolean'
          ? builder.op('Where', [
              masks.allowed(mask),
              capped,
              builder.float(maskFillValue(settings)),
            ])
          : score(builder.op('Add', [capped, masks.additive(mask, settings)]));
      trace('masked', masked);
      const probabilities = flushed(
        builder,
        rounded(
          builder,
          withoutSinks(
            builder,
            softmax(builder, withSinks(builder, masked, sinks, 'float32', score), softmaxPrecision),
            sinks,
          ),
          precision,
        ),
        settings,
      );
      trace('probabilities', probabilities);
      const output = product(builder, probabilities, values, precision);
      trace('output', output);
      return output;
    },
  };
}

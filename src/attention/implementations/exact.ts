import { DataType } from '../../onnx/types.js';
import type { Implementation } from './types.js';
import { repeatKv } from './repeatKv.js';
import { withoutSinks, withSinks } from './sinks.js';
import { softcapped } from './softcap.js';

/**
 * The truth that errors are measured against: softmax(scale·QKᵀ + mask)·V in float64 from the same inputs.
 * A masked score is −inf; a fully masked row is zero by definition. Non-finite inputs stay visible: only
 * rows without any key are overwritten.
 */
export const exact: Implementation = {
  name: 'exact',
  emulated: false,
  precision: 'fp64',
  opsets: [{ domain: '', version: 13 }],
  inputType: DataType.FLOAT,
  outputType: 'float64',
  computeOps: ['MatMul', 'Softmax'],
  build(builder, { query, key, value, heads, kvHeads, scale, softcap, sinks, mask, masks }) {
    const double = (tensor: string): string => builder.cast(tensor, DataType.DOUBLE);
    const keys = repeatKv(builder, double(key), heads, kvHeads);
    const values = repeatKv(builder, double(value), heads, kvHeads);
    const scores = builder.op('MatMul', [double(query), builder.transpose(keys, 0, 1, 3, 2)]);
    const scaled = softcapped(
      builder,
      builder.op('Mul', [scores, builder.float(scale, 'float64')]),
      softcap,
      'float64',
    );
    const bias = masks.bias();
    const biased = bias === null ? scaled : builder.op('Add', [scaled, double(bias)]);
    const masked = builder.op('Where', [
      masks.allowed(mask),
      biased,
      builder.float(-Infinity, 'float64'),
    ]);
    const softmax = withoutSinks(
      builder,
      builder.op('Softmax', [withSinks(builder, masked, sinks, 'float64')], { axis: -1n }),
      sinks,
    );
    const probabilities = builder.op('Where', [
      masks.rowHasKey(mask),
      softmax,
      builder.float(0, 'float64'),
    ]);
    return builder.op('MatMul', [probabilities, values]);
  },
};

import type { GraphBuilder } from '../onnx/builder.js';
import { HALF_TYPES, roundedTo, SMALLEST } from '../onnx/half.js';
import { DataType } from '../onnx/types.js';
import type { AttentionPrecision, AttentionSettings } from '../types.js';

/** A float32 tensor rounded to a precision and held in float32 again: see roundedTo. */
export function rounded(
  builder: GraphBuilder,
  tensor: string,
  precision: AttentionPrecision,
): string {
  return precision === 'fp32' ? tensor : roundedTo(builder, tensor, HALF_TYPES[precision]);
}

/**
 * A matrix product rounded once to a precision. Kernels below fp32 sum in fp32 in an order of their own; here the sum
 * is in float64, so that it is the middle of what they may give, and the same on every machine.
 */
export function product(
  builder: GraphBuilder,
  a: string,
  b: string,
  precision: AttentionPrecision,
): string {
  if (precision === 'fp32') return builder.op('MatMul', [a, b]);
  const double = (tensor: string): string => builder.cast(tensor, DataType.DOUBLE);
  return rounded(
    builder,
    builder.cast(builder.op('MatMul', [double(a), double(b)]), DataType.FLOAT),
    precision,
  );
}

/**
 * Softmax over the last axis. In float32 the operator; else every step rounded, as a chain of kernels in that
 * precision does: x − max x, exp, the sum, the quotient.
 */
export function softmax(
  builder: GraphBuilder,
  tensor: string,
  precision: AttentionPrecision,
): string {
  if (precision === 'fp32') return builder.op('Softmax', [tensor], { axis: -1n });
  const axis = builder.ints(-1);
  const round = (value: string): string => rounded(builder, value, precision);
  const shifted = round(builder.op('Sub', [tensor, builder.op('ReduceMax', [tensor, axis])]));
  const powers = round(builder.op('Exp', [shifted]));
  return round(builder.op('Div', [powers, round(builder.op('ReduceSum', [powers, axis]))]));
}

const LOWEST: Readonly<Record<AttentionPrecision, number>> = {
  fp32: SMALLEST[DataType.FLOAT],
  fp16: SMALLEST[HALF_TYPES.fp16],
  bf16: SMALLEST[HALF_TYPES.bf16],
};

/**
 * What a masked score is filled with. `min` is the smallest finite number of the attention's precision, and of the
 * scores' where that is the coarser: beyond it, rounding would make the fill −inf.
 */
export function maskFillValue({
  maskFill,
  precision,
  scoresPrecision,
}: Pick<AttentionSettings, 'maskFill' | 'precision' | 'scoresPrecision'>): number {
  return {
    min: Math.max(LOWEST[precision], LOWEST[scoresPrecision]),
    '-inf': -Infinity,
    '-1e4': -1e4,
  }[maskFill];
}

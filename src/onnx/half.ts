import type { GraphBuilder } from './builder.js';
import { DataType } from './types.js';

export type HalfType = DataType.FLOAT16 | DataType.BFLOAT16;

/** The types of 16 bits by their short names. */
export const HALF_TYPES = {
  fp16: DataType.FLOAT16,
  bf16: DataType.BFLOAT16,
} as const satisfies Record<string, HalfType>;

/** torch.finfo(dtype).min */
export const SMALLEST: Readonly<Record<HalfType | DataType.FLOAT, number>> = {
  [DataType.FLOAT]: -(2 - 2 ** -23) * 2 ** 127,
  [DataType.FLOAT16]: -65504,
  [DataType.BFLOAT16]: -(2 - 2 ** -7) * 2 ** 127,
};

/**
 * A float32 tensor rounded to a type of 16 bits (to nearest, ties to even) and held in float32 again. The pair of
 * casts is explicit because ONNX Runtime's CPU provider has no bfloat16 kernels, and runs float16 ones in float32.
 * Values beyond the type's range become infinite; NaN stays NaN.
 */
export function roundedTo(builder: GraphBuilder, tensor: string, type: HalfType): string {
  return builder.cast(builder.cast(tensor, type), DataType.FLOAT);
}

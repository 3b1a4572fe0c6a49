/** What numbers are held in. */

/**
 * A dense row-major tensor; bool is one byte per element. float16 is held as the numbers that it stands for, never as bit
 * patterns: runners and files, where those are, decode and encode them.
 */
export interface TensorData {
  type: 'float32' | 'float64' | 'float16' | 'int64' | 'int32' | 'bool';
  dims: readonly number[];
  data: Float32Array | Float64Array | BigInt64Array | Int32Array | Uint8Array;
}

export type Tensors = Record<string, TensorData>;

/** What numbers are computed in; `int8` is 8-bit rounding of tensors between float32 operations. */
export const PRECISIONS = ['fp32', 'fp64', 'fp16', 'bf16', 'int8'] as const;
export type Precision = (typeof PRECISIONS)[number];

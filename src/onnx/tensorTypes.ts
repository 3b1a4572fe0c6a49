import type { TensorData } from '../types.js';
import { DataType } from './types.js';

/** ONNX's data types by the names that runtimes give them. */
export const DATA_TYPES: Readonly<Record<TensorData['type'], DataType>> = {
  float32: DataType.FLOAT,
  float64: DataType.DOUBLE,
  float16: DataType.FLOAT16,
  int64: DataType.INT64,
  int32: DataType.INT32,
  bool: DataType.BOOL,
};

import { create } from '@bufbuild/protobuf';
import { TensorProtoSchema } from 'onnx-buf';
import { float16ToNumber } from '../float16.js';
import { BYTES_PER_ELEMENT, DataLocation, DataType, type TensorProto } from './types.js';

/** Number of elements of a tensor: the product of its dims (1 for a scalar). */
export function elementCount(tensor: TensorProto): number {
  return tensor.dims.reduce((product, dim) => product * Number(dim), 1);
}

/** Bytes of a tensor's data, or null for a data type without a fixed width. */
export function byteLength(tensor: TensorProto): number | null {
  const width = BYTES_PER_ELEMENT[tensor.dataType as DataType];
  if (width !== undefined) return elementCount(tensor) * width;
  if (tensor.dataType === DataType.INT4 || tensor.dataType === DataType.UINT4)
    return Math.ceil(elementCount(tensor) / 2);
  return null;
}

/**
 * The values of a small numeric tensor as JavaScript numbers (int64 beyond 2^53 loses precision).
 * Null for external data and for data types that are not plain numbers.
 */
export function numericValues(tensor: TensorProto): number[] | null {
  if (tensor.dataLocation === DataLocation.EXTERNAL) return null;
  const raw = tensor.rawData;
  if (raw.byteLength > 0) {
    const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
    const read = READERS[tensor.dataType as DataType];
    const width = BYTES_PER_ELEMENT[tensor.dataType as DataType];
    if (!read || !width) return null;
    return Array.from({ length: raw.byteLength / width }, (_, i) => read(view, i * width));
  }
  switch (tensor.dataType as DataType) {
    case DataType.FLOAT:
      return tensor.floatData;
    case DataType.DOUBLE:
      return tensor.doubleData;
    case DataType.INT64:
      return tensor.int64Data.map(Number);
    case DataType.INT32:
    case DataType.BOOL:
      return tensor.int32Data;
    default:
      return null;
  }
}

const READERS: Partial<Record<DataType, (view: DataView, offset: number) => number>> = {
  [DataType.FLOAT]: (view, offset) => view.getFloat32(offset, true),
  [DataType.DOUBLE]: (view, offset) => view.getFloat64(offset, true),
  [DataType.INT64]: (view, offset) => Number(view.getBigInt64(offset, true)),
  [DataType.INT32]: (view, offset) => view.getInt32(offset, true),
  [DataType.BOOL]: (view, offset) => view.getUint8(offset),
  [DataType.FLOAT16]: (view, offset) => float16ToNumber(view.getUint16(offset, true)),
};

type ConstantType = 'float32' | 'float64' | 'int64' | 'int32' | 'bool';

const DATA_TYPES: Record<ConstantType, DataType> = {
  float32: DataType.FLOAT,
  float64: DataType.DOUBLE,
  int64: DataType.INT64,
  int32: DataType.INT32,
  bool: DataType.BOOL,
};

const WRITERS: Record<ConstantType, (view: DataView, offset: number, value: number) => void> = {
  float32: (view, offset, value) => view.setFloat32(offset, value, true),
  float64: (view, offset, value) => view.setFloat64(offset, value, true),
  int64: (view, offset, value) => view.setBigInt64(offset, BigInt(value), true),
  int32: (view, offset, value) => view.setInt32(offset, value, true),
  bool: (view, offset, value) => view.setUint8(offset, value),
};

/** A tensor of the given values; `dims` [] makes a scalar. */
export function makeTensor(
  name: string,
  type: ConstantType,
  values: readonly number[],
  dims: readonly number[],
): TensorProto {
  const dataType = DATA_TYPES[type];
  const width = BYTES_PER_ELEMENT[dataType]!;
  const view = new DataView(new ArrayBuffer(values.length * width));
  values.forEach((value, i) => WRITERS[type](view, i * width, value));
  return create(TensorProtoSchema, {
    name,
    dataType,
    dims: dims.map(BigInt),
    rawData: new Uint8Array(view.buffer),
  });
}

import {
  AttributeProto_AttributeType,
  TensorProto_DataLocation,
  TensorProto_DataType,
  type AttributeProto,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from 'onnx-buf';

export {
  TensorProto_DataType as DataType,
  TensorProto_DataLocation as DataLocation,
  AttributeProto_AttributeType as AttributeType,
};
export type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
  TensorProto,
  ValueInfoProto,
};

/** Bytes per element of the fixed-width data types; 4-bit types are not fixed-width in this sense. */
export const BYTES_PER_ELEMENT: Readonly<Partial<Record<TensorProto_DataType, number>>> = {
  [TensorProto_DataType.FLOAT]: 4,
  [TensorProto_DataType.UINT8]: 1,
  [TensorProto_DataType.INT8]: 1,
  [TensorProto_DataType.UINT16]: 2,
  [TensorProto_DataType.INT16]: 2,
  [TensorProto_DataType.INT32]: 4,
  [TensorProto_DataType.INT64]: 8,
  [TensorProto_DataType.BOOL]: 1,
  [TensorProto_DataType.FLOAT16]: 2,
  [TensorProto_DataType.DOUBLE]: 8,
  [TensorProto_DataType.UINT32]: 4,
  [TensorProto_DataType.UINT64]: 8,
  [TensorProto_DataType.BFLOAT16]: 2,
};

/** numpy's name of a data type: `float32`, `int64`. */
export function tensorTypeName(type: TensorProto_DataType): string {
  const names: Partial<Record<TensorProto_DataType, string>> = {
    [TensorProto_DataType.FLOAT]: 'float32',
    [TensorProto_DataType.DOUBLE]: 'float64',
  };
  return names[type] ?? (TensorProto_DataType[type] ?? 'undefined').toLowerCase();
}

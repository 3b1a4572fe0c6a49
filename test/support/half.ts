import {
  AttributeProtoSchema,
  TensorProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { makeAttribute } from '../../src/onnx/builder.js';
import { attribute, isOp } from '../../src/onnx/graph.js';
import { withFields } from '../../src/onnx/rewrite.js';
import { numericValues } from '../../src/onnx/tensor.js';
import {
  DataType,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from '../../src/onnx/types.js';

const LARGEST = 65504;

/** Makes a float32 model one that is written in float16 throughout, as a converter does: what lies beyond its range becomes the largest number. */
export function toFloat16(model: ModelProto): void {
  const graph = model.graph!;
  graph.initializer = graph.initializer.map(narrowed);
  for (const node of graph.node) narrow(node);
  graph.input = graph.input.map(asFloat16);
  graph.output = graph.output.map(asFloat16);
  graph.valueInfo = [];
}

function narrow(node: NodeProto): void {
  if (isOp(node, 'Cast') && Number(attribute(node, 'to')?.i) === DataType.FLOAT)
    node.attribute = [makeAttribute('to', BigInt(DataType.FLOAT16))];
  node.attribute = node.attribute.map((item) =>
    item.t ? withFields(AttributeProtoSchema, item, { t: narrowed(item.t) }) : item,
  );
}

function narrowed(tensor: TensorProto): TensorProto {
  if (tensor.dataType !== DataType.FLOAT) return tensor;
  const bits = Uint16Array.from(numericValues(tensor)!, (value) =>
    float16Bits(Number.isFinite(value) ? Math.max(-LARGEST, Math.min(LARGEST, value)) : value),
  );
  return withFields(TensorProtoSchema, tensor, {
    dataType: DataType.FLOAT16,
    rawData: new Uint8Array(bits.buffer),
    floatData: [],
  });
}

function asFloat16(value: ValueInfoProto): ValueInfoProto {
  const { type } = value;
  if (type?.value.case !== 'tensorType' || type.value.value.elemType !== DataType.FLOAT)
    return value;
  return withFields(ValueInfoProtoSchema, value, {
    type: withFields(TypeProtoSchema, type, {
      value: {
        case: 'tensorType',
        value: withFields(TypeProto_TensorSchema, type.value.value, { elemType: DataType.FLOAT16 }),
      },
    }),
  });
}

/** The bits of the nearest float16, ties to even, of a number that is within its range, infinite or NaN. */
export function float16Bits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (size === Infinity) return sign | 0x7c00;
  const exponent = Math.max(Math.floor(Math.log2(size || 2 ** -24)), -14);
  const steps = size / 2 ** (exponent - 10);
  const rest = steps - Math.floor(steps);
  const rounded =
    Math.floor(steps) + Number(rest > 0.5 || (rest === 0.5 && Math.floor(steps) % 2 === 1));
  // A carry goes into the exponent by itself.
  return sign | (rounded + (exponent + 14) * 1024);
}

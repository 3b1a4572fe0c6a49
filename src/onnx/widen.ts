import {
  AttributeProtoSchema,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { append } from './append.js';
import { GraphBuilder, makeAttribute } from './builder.js';
import { attribute, isOp, OnnxGraph } from './graph.js';
import { replaceUses, sortNodes, withFields } from './rewrite.js';
import { DataType, type ModelProto, type NodeProto, type ValueInfoProto } from './types.js';

/**
 * Makes a graph that computes in bfloat16 compute in float32, for a provider without bfloat16 kernels. Weights stay
 * as they are, in their file, and are cast where they are read, which is exact; activations are no longer rounded.
 *
 * @returns whether there was any bfloat16 to widen
 */
export function widenBfloat16(model: ModelProto): boolean {
  const graph = model.graph!;
  const weights = graph.initializer.filter(({ dataType }) => dataType === DataType.BFLOAT16);
  const index = new OnnxGraph(model);
  const casts = graph.node.filter(castsToBfloat16);
  // A cast there and straight back rounds, which every provider can: the graph computes in another type.
  const computes = casts.some(
    ({ output }) =>
      graph.output.some(({ name }) => name === output[0]) ||
      !index.consumers(output[0]!).every((node) => isOp(node, 'Cast')),
  );
  if (weights.length === 0 && !computes) return false;
  const builder = new GraphBuilder(graph, index.names());
  for (const { name } of weights)
    replaceUses(
      index.consumers(name),
      name,
      builder.within('widened', () => builder.cast(name, DataType.FLOAT)),
    );
  for (const node of casts) node.attribute = [makeAttribute('to', BigInt(DataType.FLOAT))];
  for (const node of graph.node) widenConstant(node);
  graph.input = graph.input.map(widenValue);
  graph.output = graph.output.map(widenValue);
  graph.valueInfo = [];
  append(graph.node, builder.nodes);
  sortNodes(graph);
  return true;
}

/**
 * Gives a graph that computes in bfloat16 float32 inputs in place of bfloat16 ones, which onnxruntime-node cannot feed;
 * they are cast where they enter. The rest of the graph is left to a provider that has bfloat16 kernels.
 */
export function widenInputs(model: ModelProto): void {
  const graph = model.graph!;
  const index = new OnnxGraph(model);
  const builder = new GraphBuilder(graph, index.names());
  for (const value of graph.input) {
    if (widenValue(value) !== value)
      replaceUses(
        index.consumers(value.name),
        value.name,
        builder.within('narrowed', () => builder.cast(value.name, DataType.BFLOAT16)),
      );
  }
  graph.input = graph.input.map((value) =>
    widenValue(value) === value ? value : unnamed(widenValue(value)),
  );
  append(graph.node, builder.nodes);
  sortNodes(graph);
}

/**
 * Without the names of its dimensions. A cache that is cast where it enters is no longer an input, whose memory ONNX
 * Runtime leaves alone: by the name it would take the longer cache that comes out for one of the same length, and give
 * it the memory of the shorter.
 */
function unnamed(value: ValueInfoProto): ValueInfoProto {
  const { type } = value;
  if (type?.value.case !== 'tensorType' || !type.value.value.shape) return value;
  const dim = type.value.value.shape.dim.map((each) =>
    each.value.case === 'dimParam'
      ? withFields(TensorShapeProto_DimensionSchema, each, { value: { case: undefined } })
      : each,
  );
  const shape = withFields(TensorShapeProtoSchema, type.value.value.shape, { dim });
  const tensor = withFields(TypeProto_TensorSchema, type.value.value, { shape });
  return withFields(ValueInfoProtoSchema, value, {
    type: withFields(TypeProtoSchema, type, { value: { case: 'tensorType', value: tensor } }),
  });
}

function castsToBfloat16(node: NodeProto): boolean {
  return isOp(node, 'Cast') && Number(attribute(node, 'to')?.i) === DataType.BFLOAT16;
}

/** bfloat16 is the upper half of a float32. */
function widenConstant(node: NodeProto): void {
  node.attribute = node.attribute.map((item) => {
    if (item.t?.dataType !== DataType.BFLOAT16) return item;
    const { rawData, int32Data } = item.t;
    const halves =
      rawData.byteLength > 0
        ? new Uint16Array(rawData.slice().buffer)
        : Uint16Array.from(int32Data);
    const wide = Uint32Array.from(halves, (half) => half * 2 ** 16);
    return withFields(AttributeProtoSchema, item, {
      t: withFields(TensorProtoSchema, item.t, {
        dataType: DataType.FLOAT,
        rawData: new Uint8Array(wide.buffer),
        int32Data: [],
      }),
    });
  });
}

function widenValue(value: ValueInfoProto): ValueInfoProto {
  const { type } = value;
  if (type?.value.case !== 'tensorType' || type.value.value.elemType !== DataType.BFLOAT16)
    return value;
  const tensor = withFields(TypeProto_TensorSchema, type.value.value, { elemType: DataType.FLOAT });
  return withFields(ValueInfoProtoSchema, value, {
    type: withFields(TypeProtoSchema, type, { value: { case: 'tensorType', value: tensor } }),
  });
}

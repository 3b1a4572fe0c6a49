import {
  TensorProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { append } from './append.js';
import { AttnDiffError } from '../errors.js';
import { GraphBuilder } from './builder.js';
import { dataFlow } from './dataFlow.js';
import { isOp, nestedGraphs, OnnxGraph, usedNames } from './graph.js';
import { roundedTo, type HalfType } from './half.js';
import { movesNumbers } from './roundActivations.js';
import { replaceUses, sortNodes, withFields } from './rewrite.js';
import { DataType, type ModelProto, type NodeProto, type ValueInfoProto } from './types.js';

/** Operators that hold their numbers in themselves. */
const HOLDING = ['Constant', 'ConstantOfShape'];

/**
 * Makes a graph that is written in float16 or bfloat16 compute on a provider without such kernels as one with them
 * would: every tensor that the graph holds in the type is rounded to it where it is made, once, to nearest even, by a
 * Cast to the type and one back, and is float32 by type. So is what an operator computes between; a fused one is
 * float32 inside and rounded at its outputs. What the graph holds in float32 is not touched. A tensor keeps its name.
 *
 * Overflow becomes ±inf (in float16 from 65520 on), NaN stays NaN. Weights stay as they are in the file and are cast
 * where they are read, inputs where they enter; the outputs are float32.
 *
 * @param model as {@link copyModel} makes it; changed in place, its nodes sorted
 * @throws AttnDiffError bad-option where a nested graph takes part
 */
export function emulateHalf(model: ModelProto, type: HalfType): void {
  const graph = model.graph!;
  const index = new OnnxGraph(model);
  const { typeOf } = dataFlow(index);
  const held = new Set([...index.names()].filter((tensor) => typeOf(tensor) === type));
  const builder = new GraphBuilder(graph, index.names());
  builder.within('emulated', () => {
    for (const node of graph.node) emulate(builder, node, held, type);
    for (const { name } of graph.input)
      if (held.has(name) && !index.initializers.has(name))
        replaceUses(index.consumers(name), name, builder.cast(name, DataType.FLOAT));
    graph.initializer = graph.initializer.map((tensor) =>
      held.has(tensor.name)
        ? withFields(TensorProtoSchema, tensor, { name: widened(builder, tensor.name) })
        : tensor,
    );
  });
  graph.output = graph.output.map((value) => (held.has(value.name) ? asFloat(value) : value));
  graph.valueInfo = graph.valueInfo.filter(({ name }) => !held.has(name));
  // Up to IR version 3 an initializer is a graph input too.
  graph.input = graph.input.filter(({ name }) => !index.initializers.has(name));
  append(graph.node, builder.nodes);
  sortNodes(graph);
}

function emulate(
  builder: GraphBuilder,
  node: NodeProto,
  held: ReadonlySet<string>,
  type: HalfType,
): void {
  if (
    nestedGraphs(node).length > 0 &&
    [...usedNames(node), ...node.output].some((tensor) => held.has(tensor))
  ) {
    const problem = `the file's ${node.opType} '${node.name || node.output[0]}' holds a graph of its own, in which no rounding is emulated`;
    throw new AttnDiffError('bad-option', {
      option: '--activations',
      value: null,
      problem,
      remedy: 'a file without it, or leave the option out',
    });
  }
  node.output = node.output.map((output) => {
    if (!held.has(output)) return output;
    if (isOp(node, 'Cast', ...HOLDING)) return widened(builder, output);
    return movesNumbers(node) ? output : rounded(builder, output, type);
  });
}

/** Puts a tensor's values, cast from the type, under its name. @returns what the tensor itself is called then */
function widened(builder: GraphBuilder, tensor: string): string {
  const raw = builder.name(tensor);
  builder.cast(raw, DataType.FLOAT);
  builder.nodes.at(-1)!.output = [tensor];
  return raw;
}

/** Puts a tensor's rounded values under its name. @returns what the tensor itself is called then */
function rounded(builder: GraphBuilder, tensor: string, type: HalfType): string {
  const raw = builder.name(tensor);
  roundedTo(builder, raw, type);
  builder.nodes.at(-1)!.output = [tensor];
  return raw;
}

function asFloat(value: ValueInfoProto): ValueInfoProto {
  const { type } = value;
  if (type?.value.case !== 'tensorType') return value;
  const tensor = withFields(TypeProto_TensorSchema, type.value.value, { elemType: DataType.FLOAT });
  return withFields(ValueInfoProtoSchema, value, {
    type: withFields(TypeProtoSchema, type, { value: { case: 'tensorType', value: tensor } }),
  });
}

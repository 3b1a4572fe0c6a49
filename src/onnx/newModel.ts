import { create } from '@bufbuild/protobuf';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
} from 'onnx-buf';
import { append } from './append.js';
import { GraphBuilder, makeValueInfo } from './builder.js';
import { DataType, type ModelProto, type NodeProto, type ValueInfoProto } from './types.js';

/** Opsets of a model that is made from nothing, by domain. */
export type Opsets = Readonly<Record<string, number>>;

/** What IR version 10 and ONNX Runtime since 1.20 take. */
const IR_VERSION = 10n;

/**
 * A model of a few nodes.
 *
 * @param build adds the inputs and nodes, and returns the output
 */
export function newModel(
  name: string,
  build: (builder: GraphBuilder) => string,
  opsets: Opsets = { '': 18, 'com.microsoft': 1 },
): { model: ModelProto; output: string } {
  const graph = create(GraphProtoSchema, { name });
  const builder = new GraphBuilder(graph, new Set());
  const output = build(builder);
  builder.output(output, DataType.UNDEFINED);
  append(graph.node, builder.nodes);
  const opsetImport = Object.entries(opsets).map(([domain, version]) =>
    create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) }),
  );
  return { model: create(ModelProtoSchema, { irVersion: IR_VERSION, graph, opsetImport }), output };
}

/**
 * One node of a model as a model of its own, of the same opsets; its first output is the model's.
 *
 * @param names of its inputs and outputs there; an empty input is one left out
 * @param infos of its inputs
 */
export function modelOfNode(
  { opsetImport }: ModelProto,
  { opType, domain, attribute }: NodeProto,
  names: { input: string[]; output: string[] },
  infos: ValueInfoProto[],
): ModelProto {
  const node = create(NodeProtoSchema, { name: opType, opType, domain, attribute, ...names });
  const output = [makeValueInfo(names.output[0]!, DataType.UNDEFINED)];
  return create(ModelProtoSchema, {
    irVersion: IR_VERSION,
    opsetImport,
    graph: create(GraphProtoSchema, { name: 'one node', node: [node], input: infos, output }),
  });
}

import { create } from '@bufbuild/protobuf';
import { GraphProtoSchema, ModelProtoSchema, OperatorSetIdProtoSchema } from 'onnx-buf';
import { GraphBuilder } from './builder.js';
import { DataType, type ModelProto } from './types.js';

/** Opsets of a model that is made from nothing, by domain. */
export type Opsets = Readonly<Record<string, number>>;

/** What IR version 10 and ONNX Runtime since 1.20 take. */
const IR_VERSION = 10n;

/**
 * A model of a few nodes.
 *
 * @param build adds the inputs and nodes, and returns the output
 */
export function newModel(name: string, build: (builder: GraphBuilder) => string, opsets: Opsets = { '': 18, 'com.microsoft': 1 }): { model: ModelProto; output: string } {
  const graph = create(GraphProtoSchema, { name });
  const builder = new GraphBuilder(graph, new Set());
  const output = build(builder);
  builder.output(output, DataType.UNDEFINED);
  graph.node.push(...builder.nodes);
  const opsetImport = Object.entries(opsets).map(([domain, version]) => create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) }));
  return { model: create(ModelProtoSchema, { irVersion: IR_VERSION, graph, opsetImport }), output };
}

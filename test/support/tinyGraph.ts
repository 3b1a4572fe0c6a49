import { create } from '@bufbuild/protobuf';
import { GraphProtoSchema, ModelProtoSchema, OperatorSetIdProtoSchema } from 'onnx-buf';
import { GraphBuilder } from '../../src/onnx/builder.js';
import { encodeModel } from '../../src/onnx/read.js';
import { DATA_TYPES } from '../../src/onnx/tensorTypes.js';
import { DataType, type ModelProto } from '../../src/onnx/types.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import type { TensorData, Tensors } from '../../src/types.js';

/** A model whose nodes `build` adds; every feed becomes an input of its rank, and the tensors returned its outputs. */
export function tinyModel(
  feeds: Tensors,
  build: (builder: GraphBuilder) => string[],
): { model: ModelProto; outputs: string[] } {
  const graph = create(GraphProtoSchema, { name: 'tiny' });
  const builder = new GraphBuilder(graph, new Set());
  for (const [name, { type, dims }] of Object.entries(feeds))
    builder.input(
      name,
      DATA_TYPES[type],
      dims.map((_, i) => `${name}_${i}`),
    );
  const outputs = build(builder);
  for (const output of outputs) builder.output(output, DataType.UNDEFINED);
  graph.node.push(...builder.nodes);
  const opsetImport = [
    create(OperatorSetIdProtoSchema, { domain: '', version: 23n }),
    create(OperatorSetIdProtoSchema, { domain: 'com.microsoft', version: 1n }),
  ];
  return { model: create(ModelProtoSchema, { irVersion: 10n, graph, opsetImport }), outputs };
}

/** Builds a graph from its feeds, runs it, and returns what it computes. `late` gives the feeds of inputs that `build` added. */
export async function compute(
  feeds: Tensors,
  build: (builder: GraphBuilder) => string[],
  late: () => Tensors = () => ({}),
): Promise<TensorData[]> {
  const { model, outputs } = tinyModel(feeds, build);
  const session = await inProcessRunner().open(
    { model: { bytes: encodeModel(model), folder: '.' } },
    'test',
  );
  const tensors = await session.run({ ...feeds, ...late() });
  await session.close();
  return outputs.map((name) => tensors[name]!);
}

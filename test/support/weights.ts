import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GraphProtoSchema, ModelProtoSchema } from 'onnx-buf';
import { externalData } from '../../src/onnx/external.js';
import { OnnxGraph } from '../../src/onnx/graph.js';
import { withFields } from '../../src/onnx/rewrite.js';
import { makeTensor, numericValues } from '../../src/onnx/tensor.js';
import type { TensorProto } from '../../src/onnx/types.js';
import type { LoadedModel } from '../../src/pipeline/load.js';

/** A loaded model with some float32 weights of its file changed, each named by itself or by the node that reads it. */
export function withWeights(
  loaded: LoadedModel,
  edits: Record<string, (value: number, index: number) => number>,
): LoadedModel {
  const { model, graph, initializers } = loaded.graph;
  const weightOf = (name: string): string => {
    const found = [name, ...(graph.node.find((node) => node.name === name)?.input ?? [])].find(
      (candidate) => initializers.has(candidate),
    );
    if (found === undefined) throw new Error(`no weight is called ${name}, or read by it`);
    return found;
  };
  const byWeight = new Map(Object.entries(edits).map(([name, edit]) => [weightOf(name), edit]));
  const initializer = graph.initializer.map((tensor) => {
    const edit = byWeight.get(tensor.name);
    return edit
      ? makeTensor(
          tensor.name,
          'float32',
          valuesOf(tensor, loaded.folder).map(edit),
          tensor.dims.map(Number),
        )
      : tensor;
  });
  return {
    ...loaded,
    graph: new OnnxGraph(
      withFields(ModelProtoSchema, model, {
        graph: withFields(GraphProtoSchema, graph, { initializer }),
      }),
    ),
  };
}

function valuesOf(tensor: TensorProto, folder: string): number[] {
  const external = externalData(tensor);
  if (!external) return numericValues(tensor)!;
  const bytes = new Uint8Array(readFileSync(join(folder, external.location))).slice(
    external.offset,
    external.offset + external.length!,
  );
  return [...new Float32Array(bytes.buffer)];
}

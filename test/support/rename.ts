import type { ModelProto, NodeProto } from '../../src/onnx/types.js';
import { TensorProtoSchema } from 'onnx-buf';
import { copyModel, withFields } from '../../src/onnx/rewrite.js';

/** A copy of a model in which every node and every inner tensor has a name that says nothing. Inputs and outputs keep theirs. */
export function anonymise(model: ModelProto): ModelProto {
  const copy = copyModel(model);
  const graph = copy.graph!;
  const kept = new Set([...graph.input, ...graph.output].map(({ name }) => name));
  const names = new Map<string, string>();
  const rename = (name: string): string => {
    if (name === '' || kept.has(name)) return name;
    if (!names.has(name)) names.set(name, `t${names.size}`);
    return names.get(name)!;
  };
  graph.node.forEach((node: NodeProto, i) => {
    node.name = `n${i}`;
    node.input = node.input.map(rename);
    node.output = node.output.map(rename);
  });
  graph.initializer = graph.initializer.map((tensor) =>
    withFields(TensorProtoSchema, tensor, { name: rename(tensor.name) }),
  );
  graph.valueInfo = [];
  return copy;
}

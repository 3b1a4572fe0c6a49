import { create } from '@bufbuild/protobuf';
import { NodeProtoSchema } from 'onnx-buf';
import { append } from './append.js';
import { attribute, isOp } from './graph.js';
import type { GraphProto, NodeProto } from './types.js';

/**
 * Replaces every top-level If whose condition is the given graph input by one of its branches. Optimum's merged
 * decoders choose so between a graph with and one without past.
 *
 * @param condition name of a boolean graph input
 * @returns whether anything was replaced
 */
export function inlineBranches(graph: GraphProto, condition: string, value: boolean): boolean {
  const found = new Set(
    graph.node.filter((node) => isOp(node, 'If') && node.input[0] === condition),
  );
  if (found.size === 0) return false;
  graph.node = graph.node.flatMap((node) =>
    found.has(node) ? branchNodes(graph, node, value) : [node],
  );
  return true;
}

function branchNodes(graph: GraphProto, node: NodeProto, value: boolean): NodeProto[] {
  const branch = attribute(node, value ? 'then_branch' : 'else_branch')?.g;
  if (!branch) return [node];
  append(graph.initializer, branch.initializer);
  append(graph.valueInfo, branch.valueInfo);
  const outputs = branch.output.flatMap(({ name }, i) => {
    const output = node.output[i] ?? '';
    // Inside and outside may use one name; then there is nothing left to connect.
    return name === output || output === ''
      ? []
      : [
          create(NodeProtoSchema, {
            name: `attn_diff/inlined/${output}`,
            opType: 'Identity',
            input: [name],
            output: [output],
          }),
        ];
  });
  return [...branch.node, ...outputs];
}

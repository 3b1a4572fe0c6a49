import { isOp, type OnnxGraph } from '../../onnx/graph.js';
import type { NodeProto } from '../../onnx/types.js';

/** How many nodes may lie between two residual additions on the way that is followed. */
const MAX_STEPS = 400;

/**
 * Finds the hidden state that leaves a pre-norm decoder layer, from the layer's attention output. The first Add
 * of two computed tensors below attention joins the residual stream; the hidden state is the next Add that reads
 * that sum directly (through casts at most), the MLP's output being its other operand.
 */
export function hiddenAfter(graph: OnnxGraph, attentionOutput: string): string | null {
  const first = firstResidual(graph, attentionOutput);
  if (!first) return null;
  const sum = first.output[0]!;
  const second = readers(graph, sum).filter((node) => isResidualAdd(graph, node));
  return second.length === 1 ? second[0]!.output[0]! : null;
}

/** The nodes that read a tensor, looking through casts: exporters put norms' casts before the residual branches off. */
function readers(graph: OnnxGraph, tensor: string): NodeProto[] {
  return graph.consumers(tensor).flatMap((node) => (isOp(node, 'Cast', 'Identity') ? readers(graph, node.output[0]!) : [node]));
}

function firstResidual(graph: OnnxGraph, from: string): NodeProto | null {
  let tensor = from;
  for (let step = 0; step < MAX_STEPS; step++) {
    const next = graph.consumers(tensor).filter((node) => !isOp(node, 'Shape'));
    if (next.length !== 1) return null;
    const node = next[0]!;
    if (isResidualAdd(graph, node)) return node;
    tensor = node.output[0]!;
  }
  return null;
}

function isResidualAdd(graph: OnnxGraph, node: NodeProto): boolean {
  return isOp(node, 'Add') && node.input.every((input) => graph.constant(input) === undefined);
}

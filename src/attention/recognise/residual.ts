import { isMicrosoftOp, isOp, type OnnxGraph } from '../../onnx/graph.js';
import type { GraphProto, NodeProto } from '../../onnx/types.js';

/** How many nodes may lie between attention and the residual stream. */
const MAX_STEPS = 400;

/** com.microsoft norms that add the residual themselves; the sum is their fourth output. */
const SKIP_NORMS = ['SkipSimplifiedLayerNormalization', 'SkipLayerNormalization'];
const SUM_OUTPUT = 3;

/** What may lie in the residual stream between its sums: the same values in another type, or kept within a range. */
const SAME_VALUES = ['Cast', 'Identity', 'QuantizeLinear', 'DequantizeLinear', 'Clip'];

/** Names the sum of every norm that adds the residual itself, where the exporter left that output out. */
export function nameResidualSums(graph: GraphProto): void {
  for (const node of graph.node) {
    if (!isMicrosoftOp(node, ...SKIP_NORMS) || node.output[SUM_OUTPUT]) continue;
    while (node.output.length < SUM_OUTPUT) node.output.push('');
    node.output[SUM_OUTPUT] = `${node.output[0]}/residual_sum`;
  }
}

/**
 * Finds the hidden state that leaves a pre-norm decoder layer, from the layer's attention output. The first
 * addition of two computed tensors below attention joins the residual stream; the hidden state is the next addition
 * that reads that sum directly (through casts, quantisation and Clip at most), the MLP's output being its other operand.
 */
export function hiddenAfter(graph: OnnxGraph, attentionOutput: string): string | null {
  const first = firstSum(graph, attentionOutput);
  if (first === null) return null;
  const second = new Set(readers(graph, first).flatMap((node) => residualSum(graph, node) ?? []));
  return second.size === 1 ? clipped(graph, [...second][0]!) : null;
}

/** The tensor that the next layer reads: behind the Clip that keeps a layer's end in range, where there is one. */
function clipped(graph: OnnxGraph, sum: string): string {
  let last = sum;
  for (let tensor = sum; ;) {
    const node = onlyReader(graph, tensor);
    if (!isOp(node, ...SAME_VALUES)) return last;
    tensor = node.output[0]!;
    if (isOp(node, 'Clip')) last = tensor;
  }
}

function onlyReader(graph: OnnxGraph, tensor: string): NodeProto | undefined {
  const nodes = graph.consumers(tensor).filter((node) => !isOp(node, 'Shape'));
  return nodes.length === 1 ? nodes[0] : undefined;
}

function firstSum(graph: OnnxGraph, from: string): string | null {
  let tensor = from;
  for (let step = 0; step < MAX_STEPS; step++) {
    const next = graph.consumers(tensor).filter((node) => !isOp(node, 'Shape'));
    if (next.length !== 1) return null;
    const node = next[0]!;
    const sum = residualSum(graph, node);
    if (sum !== null) return sum;
    tensor = node.output[0]!;
  }
  return null;
}

/** The nodes that read a tensor, looking through casts: exporters put norms' casts before the residual branches off. */
function readers(graph: OnnxGraph, tensor: string): NodeProto[] {
  const found: NodeProto[] = [];
  const open = [...graph.consumers(tensor)].toReversed();
  for (let node = open.pop(); node; node = open.pop()) {
    if (!isOp(node, ...SAME_VALUES)) found.push(node);
    else for (const reader of [...graph.consumers(node.output[0]!)].toReversed()) open.push(reader);
  }
  return found;
}

/** The sum that a node adds to the residual stream; null for a node that adds nothing computed. */
function residualSum(graph: OnnxGraph, node: NodeProto): string | null {
  const computed = (name: string | undefined): boolean =>
    name !== undefined && graph.constant(name) === undefined;
  if (isMicrosoftOp(node, ...SKIP_NORMS)) return node.output[SUM_OUTPUT]!;
  return isOp(node, 'Add') && computed(node.input[0]) && computed(node.input[1])
    ? node.output[0]!
    : null;
}

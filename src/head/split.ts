import { attribute, isMicrosoftOp, isOp, usedNames, type OnnxGraph } from '../onnx/graph.js';
import type { NodeProto } from '../onnx/types.js';

/** Where a graph is parted into the model and its head. */
export interface HeadSplit {
  /** The tensor that enters the head: [batch, sequence, hidden], or the same rows flattened. */
  cut: string;
  /** What the head makes of it: the logits, perhaps in another shape. */
  logits: string;
  /** Whether each token's logits follow from its own row of the cut alone; dynamic quantisation looks at all rows. */
  tokenwise: boolean;
}

/** Operators that treat every element alike, up to constants. */
const ELEMENTWISE = ['Cast', 'CastLike', 'Identity', 'Add', 'Sub', 'Mul', 'Div', 'Neg', 'Tanh', 'Clip', 'Min', 'Max', 'QuantizeLinear', 'DequantizeLinear'];
/** Products of rows with a matrix, the rows being the first input. */
const PRODUCTS = ['MatMul', 'Gemm', 'MatMulInteger', 'QLinearMatMul'];
const MICROSOFT_PRODUCTS = ['MatMulNBits', 'MatMulBnb4', 'MatMulIntegerToFloat', 'FusedMatMul'];

/**
 * Finds the tensor that enters the language-model head: walks back from the logits, over operators that treat every
 * token for itself, past the last product with weights, to the one tensor on which all of that depends.
 *
 * @param logits name of the graph's logits
 * @returns null where there is no such tensor, or anything else on the way: an operator that is not known to treat
 *   tokens one by one, or another input of the graph
 */
export function splitHead(graph: OnnxGraph, logits: string): HeadSplit | null {
  const computed = computedTensors(graph);
  const order = new Map(graph.graph.node.map((node, i) => [node, i]));
  const head = unshaped(graph, logits);
  const open = new Set([head]);
  let passed = false;
  let tokenwise = true;
  while (!passed || open.size > 1 || isQuantised(graph, open)) {
    const node = latest(graph, order, open);
    if (!node) return null;
    const inputs = node.input.filter((name) => computed.has(name));
    if (isProduct(node)) {
      // A product of two computed tensors is attention's, not the head's; weights to the left would mix tokens.
      if (!computed.has(node.input[0]!) || computed.has(node.input[1]!) || (attribute(node, 'transA')?.i ?? 0n) !== 0n) return null;
      passed = true;
    } else if (isOp(node, 'DynamicQuantizeLinear')) {
      if (!graph.consumers(node.output[0]!).every((consumer) => isOp(consumer, 'MatMulInteger'))) return null;
      tokenwise = false;
    } else if (!isOp(node, ...ELEMENTWISE) && !isMicrosoftOp(node, 'QuantizeLinear', 'DequantizeLinear')) {
      return null;
    }
    for (const output of node.output) open.delete(output);
    for (const input of inputs) open.add(input);
  }
  return { cut: [...open][0]!, logits: head, tokenwise };
}

/** Whether the one tensor is of integers, which mean nothing without their scale. */
function isQuantised(graph: OnnxGraph, [tensor]: Iterable<string>): boolean {
  return graph.producer(tensor)?.opType === 'QuantizeLinear';
}

function isProduct(node: NodeProto): boolean {
  return isOp(node, ...PRODUCTS) || isMicrosoftOp(node, ...MICROSOFT_PRODUCTS);
}

/** The tensor behind reshapes, which keep the order of the tokens. */
function unshaped(graph: OnnxGraph, tensor: string): string {
  let name = tensor;
  for (let node = graph.producer(name); isOp(node, 'Reshape', 'Identity'); node = graph.producer(name)) name = node.input[0]!;
  return name;
}

/** The node that comes last among those that make these tensors; undefined where one is no node's. */
function latest(graph: OnnxGraph, order: ReadonlyMap<NodeProto, number>, tensors: ReadonlySet<string>): NodeProto | undefined {
  let last: NodeProto | undefined;
  for (const tensor of tensors) {
    const node = graph.producer(tensor);
    if (!node) return undefined;
    if (!last || order.get(node)! > order.get(last)!) last = node;
  }
  return last;
}

/** Every tensor that depends on what the graph is fed, unlike weights and constants. */
function computedTensors(graph: OnnxGraph): ReadonlySet<string> {
  const computed = new Set(graph.inputs);
  for (const node of graph.graph.node) {
    if (usedNames(node).some((name) => computed.has(name))) for (const output of node.output) computed.add(output);
  }
  return computed;
}

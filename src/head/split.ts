import { attribute, isMicrosoftOp, isOp, usedNames, type OnnxGraph } from '../onnx/graph.js';
import type { NodeProto } from '../onnx/types.js';

/** Where a graph is parted into the model and its head. */
export interface HeadSplit {
  /** The tensor that the model's part returns: every token's row, [batch, sequence, hidden], or the same rows flattened. */
  cut: string;
  /** The rows of it that enter the head, behind whatever selects tokens; the cut itself where nothing does. */
  entering: string;
  /** What the head makes of them: the logits, perhaps in another shape, before whatever selects tokens. */
  logits: string;
  /** The logits of all tokens that enter the head, of which the graph's own are selected; those themselves where nothing selects. */
  unselected: string;
  /** Whether anything selects tokens, before the head or behind it. */
  selects: boolean;
  /** Whether each token's logits follow from its own row of the cut alone; dynamic quantisation looks at all rows. */
  tokenwise: boolean;
}

/** Operators that treat every element alike, up to constants. */
const ELEMENTWISE = [
  'Cast',
  'CastLike',
  'Identity',
  'Add',
  'Sub',
  'Mul',
  'Div',
  'Neg',
  'Tanh',
  'Clip',
  'Min',
  'Max',
  'QuantizeLinear',
  'DequantizeLinear',
];
/** Products of rows with a matrix, the rows being the first input. */
const PRODUCTS = ['MatMul', 'Gemm', 'MatMulInteger', 'QLinearMatMul'];
const MICROSOFT_PRODUCTS = ['MatMulNBits', 'MatMulBnb4', 'MatMulIntegerToFloat', 'FusedMatMul'];
/** Axes of [batch, sequence, width] and of [rows, width] that hold tokens. */
const TOKEN_AXES: ReadonlySet<number> = new Set([0, 1]);
/** Operators that keep all elements in their order. */
const SHAPING = ['Reshape', 'Identity', 'Squeeze', 'Unsqueeze', 'Flatten'];

/**
 * Finds the tensor that enters the language-model head: walks back from the logits, over operators that treat every
 * token for itself, past the last product with weights, to the one tensor on which all of that depends. What selects
 * tokens before the head, or behind it, belongs to neither part.
 *
 * @param logits name of the graph's logits
 * @returns null where there is no such tensor, or anything else on the way: an operator that is not known to treat
 *   tokens one by one, or another input of the graph
 */
export function splitHead(graph: OnnxGraph, logits: string): HeadSplit | null {
  const computed = computedTensors(graph);
  const order = new Map(graph.graph.node.map((node, i) => [node, i]));
  const behind = unselected(graph, logits);
  const head = unshaped(graph, behind);
  const open = new Set([head]);
  let passed = false;
  let tokenwise = true;
  while (!passed || open.size > 1 || isQuantised(graph, open)) {
    const node = latest(graph, order, open);
    if (!node) return null;
    const inputs = node.input.filter((name) => computed.has(name));
    if (isProduct(node)) {
      // A product of two computed tensors is attention's, not the head's; weights to the left would mix tokens.
      if (
        !computed.has(node.input[0]!) ||
        computed.has(node.input[1]!) ||
        (attribute(node, 'transA')?.i ?? 0n) !== 0n
      )
        return null;
      passed = true;
    } else if (isOp(node, 'DynamicQuantizeLinear')) {
      if (!graph.consumers(node.output[0]!).every((consumer) => isOp(consumer, 'MatMulInteger')))
        return null;
      tokenwise = false;
    } else if (
      !isOp(node, ...ELEMENTWISE) &&
      !isMicrosoftOp(node, 'QuantizeLinear', 'DequantizeLinear')
    ) {
      return null;
    }
    for (const output of node.output) open.delete(output);
    for (const input of inputs) open.add(input);
  }
  const entering = [...open][0]!;
  const cut = unselected(graph, entering);
  return {
    cut,
    entering,
    logits: head,
    unselected: behind,
    selects: cut !== entering || behind !== logits,
    tokenwise,
  };
}

/** As {@link splitHead}; where the head cannot be cut off, the model's part returns the logits themselves, of all tokens. */
export function headSplit(graph: OnnxGraph, logits: string): HeadSplit {
  const cut = unselected(graph, logits);
  return (
    splitHead(graph, logits) ?? {
      cut,
      entering: cut,
      logits: cut,
      unselected: cut,
      selects: cut !== logits,
      tokenwise: true,
    }
  );
}

/** Whether a node is a product of rows, its first input, with a matrix. */
export function isProduct(node: NodeProto): boolean {
  return isOp(node, ...PRODUCTS) || isMicrosoftOp(node, ...MICROSOFT_PRODUCTS);
}

/** Whether the one tensor is of integers, which mean nothing without their scale. */
function isQuantised(graph: OnnxGraph, [tensor]: Iterable<string>): boolean {
  return graph.producer(tensor)?.opType === 'QuantizeLinear';
}

/** The tensor behind reshapes, which keep the order of the tokens. */
function unshaped(graph: OnnxGraph, tensor: string): string {
  let name = tensor;
  for (
    let node = graph.producer(name);
    isOp(node, 'Reshape', 'Identity');
    node = graph.producer(name)
  )
    name = node.input[0]!;
  return name;
}

/** The tensor of which a chain of nodes selects rows; the tensor itself where none does. */
function unselected(graph: OnnxGraph, tensor: string): string {
  let found = tensor;
  let name = tensor;
  for (
    let node = graph.producer(name);
    node && (selects(graph, node) || isOp(node, ...SHAPING));
    node = graph.producer(name)
  ) {
    name = node.input[0]!;
    if (!isOp(node, ...SHAPING)) found = name;
  }
  return found;
}

/** Whether a node leaves some tokens of its first input out, and no elements of those that stay. */
function selects(graph: OnnxGraph, node: NodeProto): boolean {
  if (isOp(node, 'GatherND')) return true;
  if (isOp(node, 'Gather', 'GatherElements'))
    return TOKEN_AXES.has(Number(attribute(node, 'axis')?.i ?? 0n));
  return (
    isOp(node, 'Slice') &&
    (graph.values(node.input[3])?.every((axis) => TOKEN_AXES.has(axis)) ?? false)
  );
}

/** The node that comes last among those that make these tensors; undefined where one is no node's. */
function latest(
  graph: OnnxGraph,
  order: ReadonlyMap<NodeProto, number>,
  tensors: ReadonlySet<string>,
): NodeProto | undefined {
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
    if (usedNames(node).some((name) => computed.has(name)))
      for (const output of node.output) computed.add(output);
  }
  return computed;
}

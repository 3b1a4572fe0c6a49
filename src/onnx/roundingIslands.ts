import { soleReader, uncast, type DataFlow } from './dataFlow.js';
import { isMicrosoftOp, isOp } from './graph.js';
import type { NodeProto } from './types.js';

/** Where PyTorch keeps float32 between two operations although its model is in half precision. */
export interface Islands {
  /** Nodes whose outputs are not rounded. */
  inside: ReadonlySet<NodeProto>;
  /** Tensors that leave an island through a node that computes nothing, and are rounded there. */
  shores: ReadonlySet<string>;
}

/**
 * Finds the parts of a graph that Hugging Face's models compute in float32 whatever their precision:
 *
 * - RMSNorm from the square to the factor 1/√(mean + eps): Pow or Mul, ReduceMean, Add, Sqrt, Reciprocal or Div;
 * - a product with a weight, before its bias is added (MatMul, MatMulNBits, the dequantised MatMulInteger);
 * - Sigmoid in SiLU, x·sigmoid(x);
 * - a router's Softmax before TopK, and the sum that normalises what TopK chose.
 */
export function fp32Islands(flow: DataFlow): Islands {
  const inside = new Set<NodeProto>();
  const shores = new Set<string>();
  for (const node of flow.graph.graph.node) {
    if (!node.output.some(flow.isActivation)) continue;
    if (isSquare(flow, node)) for (const member of normFrom(flow, node)) inside.add(member);
    if (isProduct(flow, node) && addsBias(flow, node)) inside.add(node);
    if (isOp(node, 'Sigmoid') && belongsToSilu(flow, node)) inside.add(node);
    if (isOp(node, 'Softmax')) routerFrom(flow, node, inside, shores);
  }
  return { inside, shores };
}

function isSquare({ graph }: DataFlow, node: NodeProto): boolean {
  if (isOp(node, 'Pow')) return graph.values(node.input[1])?.join() === '2';
  return isOp(node, 'Mul') && node.input[0] === node.input[1];
}

/** The square, its mean, and what is computed of the mean and numbers alone; nothing where no mean is taken. */
function normFrom({ graph, isNumber }: DataFlow, square: NodeProto): NodeProto[] {
  const mean = soleReader(graph, square.output[0]!);
  if (!isOp(mean, 'ReduceMean')) return [];
  const members = [square];
  for (let node: NodeProto | undefined = mean; node;) {
    members.push(node);
    const next = soleReader(graph, node.output[0]!);
    const others =
      next?.input.filter((input) => graph.producer(uncast(graph, input)) !== node) ?? [];
    node =
      isOp(next, 'Add', 'Sqrt', 'Reciprocal', 'Div', 'Pow') && others.every(isNumber)
        ? next
        : undefined;
  }
  return members;
}

/** Whether a node multiplies an activation with a weight, quantised or not. */
function isProduct({ graph, isActivation }: DataFlow, node: NodeProto): boolean {
  if (isOp(node, 'MatMul') || isMicrosoftOp(node, 'FusedMatMul'))
    return node.input.some((input) => !isActivation(input));
  if (isOp(node, 'Mul'))
    return node.input.some((input) => isOp(graph.producer(uncast(graph, input)), 'MatMulInteger'));
  return isMicrosoftOp(node, 'MatMulNBits');
}

function addsBias({ graph, isConstant }: DataFlow, product: NodeProto): boolean {
  const add = soleReader(graph, product.output[0]!);
  return (
    isOp(add, 'Add') &&
    add.input.some((input) => isConstant(input) && (graph.constant(input)?.dims.length ?? 1) === 1)
  );
}

function belongsToSilu({ graph }: DataFlow, sigmoid: NodeProto): boolean {
  const gate = uncast(graph, sigmoid.input[0]!);
  const reader = soleReader(graph, sigmoid.output[0]!);
  return isOp(reader, 'Mul') && reader.input.some((input) => uncast(graph, input) === gate);
}

function routerFrom(
  { graph }: DataFlow,
  softmax: NodeProto,
  inside: Set<NodeProto>,
  shores: Set<string>,
): void {
  const choice = soleReader(graph, softmax.output[0]!);
  if (!isOp(choice, 'TopK')) return;
  inside.add(softmax);
  const chosen = choice.output[0]!;
  const sum = graph.consumers(chosen).find((node) => isOp(node, 'ReduceSum'));
  const quotient = sum && soleReader(graph, sum.output[0]!);
  if (isOp(quotient, 'Div') && uncast(graph, quotient.input[0]!) === chosen) inside.add(sum!);
  else shores.add(chosen);
}

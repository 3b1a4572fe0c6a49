import { isOp, type OnnxGraph } from '../../onnx/graph.js';
import type { NodeProto } from '../../onnx/types.js';
import { elementCount } from '../../onnx/tensor.js';

const SCALAR_OPS = ['Constant', 'Cast', 'Sqrt', 'Div', 'Mul', 'Pow', 'Reciprocal', 'Slice', 'Gather', 'Squeeze', 'Unsqueeze', 'Reshape', 'Identity', 'CastLike'];

/** Whether a tensor is a number known from constants and shapes alone, such as 1/√D computed from Shape(query). */
function isShapeScalar(graph: OnnxGraph, name: string): boolean {
  const constant = graph.constant(name);
  if (constant) return elementCount(constant) === 1;
  if (graph.values(name)?.length === 1) return true;
  const node = graph.producer(name);
  if (!isOp(node, ...SCALAR_OPS)) return false;
  return node.input.filter((input) => input !== '').every((input) => isOp(graph.producer(input), 'Shape') || isShapeScalar(graph, input) || isConstantVector(graph, input));
}

function isConstantVector(graph: OnnxGraph, name: string): boolean {
  return graph.values(name) !== undefined;
}

/** For Mul(x, s) or Div(x, s) with a scalar s: the tensor x and the factor; null for anything else. */
export function peelScale(graph: OnnxGraph, node: NodeProto | undefined): { rest: string; tensor: string; divides: boolean } | null {
  if (!isOp(node, 'Mul', 'Div')) return null;
  const [left, right] = node.input as [string, string];
  if (isShapeScalar(graph, right)) return { rest: left, tensor: right, divides: node.opType === 'Div' };
  if (node.opType === 'Mul' && isShapeScalar(graph, left)) return { rest: right, tensor: left, divides: false };
  return null;
}

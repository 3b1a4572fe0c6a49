import { isOp, type OnnxGraph } from '../../onnx/graph.js';
import type { NodeProto } from '../../onnx/types.js';
import { memoised } from '../../onnx/memo.js';
import { elementCount } from '../../onnx/tensor.js';

const SCALAR_OPS = [
  'Constant',
  'Cast',
  'Sqrt',
  'Div',
  'Mul',
  'Pow',
  'Reciprocal',
  'Slice',
  'Gather',
  'Squeeze',
  'Unsqueeze',
  'Reshape',
  'Identity',
  'CastLike',
];

/** Whether a tensor is a number known from constants and shapes alone, such as 1/√D computed from Shape(query). */
function isShapeScalar(graph: OnnxGraph, name: string): boolean {
  const test = scalarTests.get(graph) ?? scalarTest(graph);
  scalarTests.set(graph, test);
  return test(name);
}

const scalarTests = new WeakMap<OnnxGraph, (tensor: string) => boolean>();

function scalarTest(graph: OnnxGraph): (tensor: string) => boolean {
  const sources = (tensor: string): string[] => {
    const node = graph.producer(tensor);
    return isOp(node, ...SCALAR_OPS)
      ? node.input.filter(
          (input) =>
            input !== '' &&
            !isOp(graph.producer(input), 'Shape') &&
            !isConstantVector(graph, input),
        )
      : [];
  };
  return memoised(sources, (tensor, isScalar) => {
    const constant = graph.constant(tensor);
    if (constant) return elementCount(constant) === 1;
    if (graph.values(tensor)?.length === 1) return true;
    return isOp(graph.producer(tensor), ...SCALAR_OPS) && sources(tensor).every(isScalar);
  });
}

function isConstantVector(graph: OnnxGraph, name: string): boolean {
  return graph.values(name) !== undefined;
}

/** For Mul(x, s) or Div(x, s) with a scalar s: the tensor x and the factor; null for anything else. */
export function peelScale(
  graph: OnnxGraph,
  node: NodeProto | undefined,
): { rest: string; tensor: string; divides: boolean } | null {
  if (!isOp(node, 'Mul', 'Div')) return null;
  const [left, right] = node.input as [string, string];
  if (isShapeScalar(graph, right))
    return { rest: left, tensor: right, divides: node.opType === 'Div' };
  if (node.opType === 'Mul' && isShapeScalar(graph, left))
    return { rest: right, tensor: left, divides: false };
  return null;
}

import { append } from '../../onnx/append.js';
import { dataFlow, type DataFlow } from '../../onnx/dataFlow.js';
import { attribute, isMicrosoftOp, isOp, type OnnxGraph } from '../../onnx/graph.js';
import type { NodeProto } from '../../onnx/types.js';

/** A product of an activation with a weight of the file. */
export interface Projection {
  node: NodeProto;
  /** The activation, float. */
  input: string;
  /** The product, float, without a bias. */
  output: string;
  /** The largest constant behind the product: the weight, or its quantised form. */
  weight: string;
  /** Length of the product's last axis; null where the weight does not tell. */
  width: number | null;
}

export interface Projections {
  graph: OnnxGraph;
  flow: DataFlow;
  /** By the tensor that each gives. */
  byOutput: ReadonlyMap<string, Projection>;
  /** By the node that multiplies. */
  byNode: ReadonlyMap<NodeProto, Projection>;
}

const PRODUCTS = ['MatMul', 'Gemm', 'MatMulInteger', 'QLinearMatMul'];
const MICROSOFT_PRODUCTS = [
  'FusedMatMul',
  'MatMulNBits',
  'MatMulBnb4',
  'MatMulIntegerToFloat',
  'DynamicQuantizeMatMul',
];
const QUANTISING = ['DynamicQuantizeLinear', 'QuantizeLinear'];

/** Finds every projection of a graph whose nodes are sorted. */
export function projectionsOf(graph: OnnxGraph): Projections {
  const flow = dataFlow(graph);
  const byOutput = new Map<string, Projection>();
  const byNode = new Map<NodeProto, Projection>();
  for (const node of graph.graph.node) {
    if (!isOp(node, ...PRODUCTS) && !isMicrosoftOp(node, ...MICROSOFT_PRODUCTS)) continue;
    const [left, right] = node.input as [string, string];
    if (!flow.isActivation(left) || !flow.isConstant(right)) continue;
    const quantise = graph.producer(left);
    const input = isOp(quantise, ...QUANTISING) ? quantise.input[0]! : left;
    const projection = {
      node,
      input,
      output: scaledProduct(graph, node),
      ...weightOf(graph, node),
    };
    byOutput.set(projection.output, projection);
    byNode.set(node, projection);
  }
  return { graph, flow, byOutput, byNode };
}

/** The float product: of MatMulInteger what Cast and the scales' Mul make of it. */
function scaledProduct(graph: OnnxGraph, node: NodeProto): string {
  const [output] = node.output as [string];
  if (!isOp(node, 'MatMulInteger')) return output;
  const cast = sole(graph, output);
  const scaled = isOp(cast, 'Cast') ? sole(graph, cast.output[0]!) : undefined;
  return isOp(scaled, 'Mul') ? scaled.output[0]! : output;
}

function sole(graph: OnnxGraph, tensor: string): NodeProto | undefined {
  const readers = graph.consumers(tensor);
  return readers.length === 1 ? readers[0] : undefined;
}

/** The initializer behind a product's second operand, and the product's width, through casts, scales and transpositions. */
function weightOf(graph: OnnxGraph, node: NodeProto): { weight: string; width: number | null } {
  const bits = attribute(node, 'N')?.i;
  let transposed =
    isOp(node, 'Gemm') || isMicrosoftOp(node, 'FusedMatMul')
      ? attribute(node, 'transB')?.i === 1n
      : false;
  let tensor = node.input[1]!;
  for (
    let above = graph.producer(tensor);
    isOp(above, 'Transpose', 'Cast', 'Identity', 'DequantizeLinear');
    above = graph.producer(tensor)
  ) {
    if (above.opType === 'Transpose') transposed = !transposed;
    tensor = above.input[0]!;
  }
  const dims = graph.initializers.get(tensor)?.dims ?? [];
  const width = bits ?? (dims.length === 2 ? dims[transposed ? 0 : 1] : undefined);
  return { weight: tensor, width: width === undefined ? null : Number(width) };
}

/** What a tensor is computed from, up to the next projections. */
export interface Sources {
  projections: Projection[];
  /** Constants of more than one element that are added on the way, each with the node that adds it. */
  biases: Bias[];
}

export interface Bias {
  node: NodeProto;
  constant: string;
  /** The other operand. */
  rest: string;
}

/** Walks up from a tensor through activations to the projections that it comes from. */
export function sourcesOf({ graph, flow, byOutput }: Projections, from: string): Sources {
  const projections = new Set<Projection>();
  const seen = new Set<string>();
  const open = [from];
  const biases: Bias[] = [];
  for (let tensor = open.pop(); tensor !== undefined; tensor = open.pop()) {
    if (seen.has(tensor)) continue;
    seen.add(tensor);
    const projection = byOutput.get(tensor);
    if (projection) {
      projections.add(projection);
      continue;
    }
    const node = graph.producer(tensor);
    if (!node) continue;
    const constant = isOp(node, 'Add')
      ? node.input.find((input) => flow.isConstant(input) && !flow.isNumber(input))
      : undefined;
    if (constant !== undefined)
      biases.push({ node, constant, rest: node.input.find((input) => input !== constant)! });
    append(
      open,
      node.input.filter((input) => flow.isActivation(input)),
    );
  }
  return { projections: [...projections], biases };
}

import { append } from '../../onnx/append.js';
import { GraphBuilder } from '../../onnx/builder.js';
import { attribute, isMicrosoftOp, isOp, OnnxGraph } from '../../onnx/graph.js';
import { copyModel, sortNodes } from '../../onnx/rewrite.js';
import type { NodeProto } from '../../onnx/types.js';

/**
 * A copy of a graph in which what hides the way from a projection to its attention is gone: 8-bit rounding of
 * activations, and biases and residual additions inside other operators. Weights are shared with the original.
 */
export function plainGraph(original: OnnxGraph): OnnxGraph {
  const model = copyModel(original.model);
  const graph = model.graph!;
  const builder = new GraphBuilder(graph, original.names());
  const index = new OnnxGraph(model);
  for (const node of graph.node) {
    dequantise(index, node);
    openBias(builder, node);
    openResidual(builder, node);
  }
  append(graph.node, builder.nodes);
  if (builder.nodes.length > 0) sortNodes(graph);
  return new OnnxGraph(model);
}

/** DequantizeLinear of QuantizeLinear hands its input on. */
function dequantise(index: OnnxGraph, node: NodeProto): void {
  const quantise = isOp(node, 'DequantizeLinear') ? index.producer(node.input[0]) : undefined;
  if (!isOp(quantise, 'QuantizeLinear')) return;
  Object.assign(node, { opType: 'Identity', input: [quantise.input[0]!], attribute: [] });
}

/** Where an operator that multiplies with a weight takes a bias. */
function biasInput(node: NodeProto): number | null {
  if (isOp(node, 'Gemm') && (attribute(node, 'beta')?.f ?? 1) === 1) return 2;
  return isMicrosoftOp(node, 'MatMulNBits') ? 5 : null;
}

function openBias(builder: GraphBuilder, node: NodeProto): void {
  const position = biasInput(node);
  const bias = position === null ? '' : (node.input[position] ?? '');
  if (bias === '') return;
  const [output] = node.output as [string];
  const product = builder.name('product');
  node.input = node.input.with(position!, '');
  while (node.input.at(-1) === '') node.input.pop();
  node.output = [product];
  rename(builder, builder.op('Add', [product, bias]), output);
}

/** SkipSimplifiedLayerNormalization and its like become the addition and the norm that they are. */
function openResidual(builder: GraphBuilder, node: NodeProto): void {
  if (!isMicrosoftOp(node, 'SkipSimplifiedLayerNormalization')) return;
  const [input, skip, weight, bias] = node.input as [string, string, string, string?];
  const sum = node.output[3] || builder.name('sum');
  const added = bias ? builder.op('Add', [skip, bias]) : skip;
  rename(builder, builder.op('Add', [input, added]), sum);
  const epsilon = node.attribute.filter(({ name }) => name === 'epsilon');
  Object.assign(node, {
    opType: 'SimplifiedLayerNormalization',
    domain: '',
    input: [sum, weight],
    output: [node.output[0]!],
    attribute: epsilon,
  });
}

/** Gives the tensor of the node that was built last another name. */
function rename(builder: GraphBuilder, from: string, to: string): void {
  const node = builder.nodes.at(-1)!;
  node.output = node.output.map((name) => (name === from ? to : name));
}

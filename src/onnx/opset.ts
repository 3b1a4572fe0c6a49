import { AttnDiffError } from '../errors.js';
import { makeAttribute } from './builder.js';
import { attribute, isOp, nestedGraphs } from './graph.js';
import { opsetOf, setOpset } from './rewrite.js';
import { makeTensor } from './tensor.js';
import type { GraphProto, ModelProto, NodeProto } from './types.js';

/** The oldest opset whose nodes are converted. */
const OLDEST = 11;

/** Operators that take `axes` as an input, and since when; before, it was an attribute. */
const AXES_AS_INPUT: ReadonlyMap<string, number> = new Map([
  ...['Squeeze', 'Unsqueeze', 'ReduceSum'].map((op) => [op, 13] as const),
  ...[
    'ReduceMean',
    'ReduceMax',
    'ReduceMin',
    'ReduceProd',
    'ReduceL1',
    'ReduceL2',
    'ReduceLogSum',
    'ReduceLogSumExp',
    'ReduceSumSquare',
  ].map((op) => [op, 18] as const),
]);

/** Until opset 13 these worked on the tensor flattened to 2D at `axis`, which by default was 1. */
const FLATTENING = ['Softmax', 'LogSoftmax', 'Hardmax'];

/**
 * Raises a model to an opset, rewriting in place the nodes whose form changed on the way (ONNX operator
 * changelog): axes and split sizes became inputs, Dropout's ratio an input, Split got num_outputs, Softmax lost
 * its flattening. Everything else kept its meaning from opset 11 on.
 *
 * @throws AttnDiffError graph-not-supported for an opset before 11, or a node that has no newer form
 */
export function raiseOpset(model: ModelProto, version: number): void {
  const from = opsetOf(model, '') ?? 0;
  if (from >= version) return;
  if (from < OLDEST)
    throw new AttnDiffError('graph-not-supported', {
      problem: `its opset is ${from}, and ${OLDEST} is the oldest that is supported`,
      remedy: 'opset',
    });
  convertGraph(model.graph!, from, version);
  setOpset(model, '', version);
}

function convertGraph(graph: GraphProto, from: number, to: number): void {
  const crosses = (since: number): boolean => from < since && since <= to;
  for (const [index, node] of graph.node.entries()) {
    for (const nested of nestedGraphs(node)) convertGraph(nested, from, to);
    const name = (suffix: string): string => `attn_diff/opset/${index}/${node.output[0]}/${suffix}`;
    const since = isOp(node, ...AXES_AS_INPUT.keys()) ? AXES_AS_INPUT.get(node.opType)! : Infinity;
    if (crosses(since)) attributeToInput(graph, node, 'axes', 1, name('axes'));
    if (isOp(node, 'Split')) {
      if (crosses(13)) attributeToInput(graph, node, 'split', 1, name('split'));
      if (crosses(18) && !node.input[1])
        node.attribute = [
          ...node.attribute,
          makeAttribute('num_outputs', BigInt(node.output.length)),
        ];
    }
    if (isOp(node, 'Dropout') && crosses(12)) {
      // Inference ignores the ratio; without the input it is its default.
      node.attribute = node.attribute.filter((item) => item.name !== 'ratio');
    }
    if (isOp(node, ...FLATTENING) && crosses(13)) convertFlattening(node);
  }
}

/** Moves an attribute of integers to an input; nothing where the node has none. */
function attributeToInput(
  graph: GraphProto,
  node: NodeProto,
  attributeName: string,
  position: number,
  tensor: string,
): void {
  const found = attribute(node, attributeName);
  if (!found) return;
  graph.initializer.push(makeTensor(tensor, 'int64', found.ints.map(Number), [found.ints.length]));
  node.attribute = node.attribute.filter((item) => item !== found);
  while (node.input.length < position) node.input.push('');
  node.input[position] = tensor;
}

/** On the last axis flattening changes nothing; exporters write no other. */
function convertFlattening(node: NodeProto): void {
  const axis = attribute(node, 'axis');
  if (axis && (axis.i === -1n || axis.i >= 2n)) return;
  throw new AttnDiffError('graph-not-supported', {
    problem: `its ${node.opType} '${node.name || node.output[0]}' flattens at axis ${axis?.i ?? 1n}, which opset 13 and later cannot say`,
    remedy: 'opset',
  });
}

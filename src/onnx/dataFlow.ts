import { elementTypes } from './elementType.js';
import { isMicrosoftOp, isOp, type OnnxGraph } from './graph.js';
import { memoised } from './memo.js';
import { elementCount } from './tensor.js';
import { DataType, type NodeProto } from './types.js';

/** Operators that say something of a tensor without holding its values. */
const VALUE_FREE = [
  'Shape',
  'Size',
  'NonZero',
  'ArgMax',
  'ArgMin',
  'IsNaN',
  'IsInf',
  'Equal',
  'Less',
  'LessOrEqual',
  'Greater',
  'GreaterOrEqual',
];
/** Operators that move the numbers of their first input, and change none. */
const MOVING = [
  'Identity',
  'Reshape',
  'Flatten',
  'Transpose',
  'Squeeze',
  'Unsqueeze',
  'Expand',
  'Tile',
  'Slice',
  'Split',
  'Gather',
  'GatherND',
];
/** Operators that put numbers elsewhere, choose among them, or write them in another type. */
const PLACING = [
  'Cast',
  'CastLike',
  'Concat',
  'Pad',
  'Trilu',
  'Where',
  'Compress',
  'GatherElements',
  'Scatter',
  'ScatterElements',
  'ScatterND',
  'Dropout',
  'Constant',
  'ConstantOfShape',
  'MemcpyFromHost',
  'MemcpyToHost',
];
const NOT_COMPUTING: ReadonlySet<string> = new Set([...MOVING, ...PLACING, ...VALUE_FREE]);
/** Operators that make one number of others: of the first input, or of all. */
const SHAPING = [
  'Cast',
  'CastLike',
  'Identity',
  'Reshape',
  'Squeeze',
  'Unsqueeze',
  'Expand',
  'Tile',
  'Neg',
  'Sqrt',
  'Reciprocal',
];
const COMBINING = ['Mul', 'Div', 'Add', 'Sub', 'Pow'];
const FLOATS: ReadonlySet<DataType> = new Set([
  DataType.FLOAT,
  DataType.FLOAT16,
  DataType.BFLOAT16,
]);
/** What tables of masks and of positions hold, unlike embeddings. */
const NO_WEIGHTS: ReadonlySet<DataType> = new Set([DataType.BOOL, DataType.INT64, DataType.INT32]);

/** Whether an operator computes numbers, rather than moving them or telling something of them. */
export function computesNumbers(opType: string): boolean {
  return !NOT_COMPUTING.has(opType);
}

/** What the tensors of a language model's graph are: activations, weights, or what is computed beside them. */
export interface DataFlow {
  graph: OnnxGraph;
  typeOf(tensor: string): DataType;
  /** Whether a tensor's values come from an embedding, or from a float input such as a cache; quantised ones too. */
  isActivation(tensor: string): boolean;
  /** Whether a tensor is computed from constants alone. */
  isConstant(tensor: string): boolean;
  /** Whether a tensor is one number, known from constants and shapes alone: what a model's code has as a Python scalar. */
  isNumber(tensor: string): boolean;
}

/** Follows activations down a graph whose nodes are sorted. Masks, positions and shapes hold none. */
export function dataFlow(graph: OnnxGraph): DataFlow {
  const inferred = elementTypes(graph);
  const integers = new Set<string>();
  const typeOf = (tensor: string): DataType =>
    integers.has(tensor) ? DataType.INT64 : inferred(tensor);
  const isConstant = constants(graph);
  const found = new Set<string>([...graph.inputs].filter((input) => FLOATS.has(inferred(input))));
  const isActivation = (tensor: string): boolean => found.has(tensor);
  for (const node of graph.graph.node) {
    // Types are inferred from first inputs; but what TopK returns second is not of the type that it chose from.
    if (isOp(node, 'TopK')) integers.add(node.output[1]!);
    else if (integers.has(node.input[0]!) && !isOp(node, 'Cast'))
      for (const output of node.output) integers.add(output);
    if (isOp(node, ...VALUE_FREE)) continue;
    if (!node.input.some(isActivation) && !looksUpEmbedding(node)) continue;
    for (const output of node.output) if (output !== '' && !integers.has(output)) found.add(output);
  }
  return { graph, typeOf, isActivation, isConstant, isNumber: numbers(graph) };

  function looksUpEmbedding(node: NodeProto): boolean {
    if (!isOp(node, 'Gather') && !isMicrosoftOp(node, 'GatherBlockQuantized')) return false;
    const [table, rows] = node.input as [string, string];
    return (
      !NO_WEIGHTS.has(typeOf(table)) &&
      !isActivation(table) &&
      isConstant(table) &&
      !isConstant(rows)
    );
  }
}

function numbers(graph: OnnxGraph): (tensor: string) => boolean {
  const sources = (tensor: string): string[] => {
    const node = graph.producer(tensor);
    if (isOp(node, 'Gather', 'Slice', ...SHAPING)) return node.input.slice(0, 1);
    return isOp(node, ...COMBINING) ? node.input : [];
  };
  return memoised(sources, (tensor, isNumber) => {
    const constant = graph.constant(tensor);
    if (constant) return elementCount(constant) === 1;
    if (graph.values(tensor)?.length === 1) return true;
    const node = graph.producer(tensor);
    if (isOp(node, 'ConstantOfShape')) return true;
    if (isOp(node, 'Gather', 'Slice') && isOp(graph.producer(node.input[0]), 'Shape')) return true;
    const from = sources(tensor);
    return from.length > 0 && from.every(isNumber);
  });
}

function constants(graph: OnnxGraph): (tensor: string) => boolean {
  const sources = (tensor: string): string[] =>
    graph.producer(tensor)?.input.filter((input) => input !== '') ?? [];
  return memoised(sources, (tensor, isConstant) =>
    graph.producer(tensor) ? sources(tensor).every(isConstant) : graph.initializers.has(tensor),
  );
}

/** The node that reads a tensor if there is but one, looking through casts; undefined too for a graph output. */
export function soleReader(graph: OnnxGraph, tensor: string): NodeProto | undefined {
  for (let next = tensor; ;) {
    const [reader, ...others] = graph.consumers(next);
    if (!reader || others.length > 0 || graph.outputs.has(next)) return undefined;
    if (!isOp(reader, 'Cast', 'Identity')) return reader;
    next = reader.output[0]!;
  }
}

/** The tensor that a chain of nodes began with which only move its numbers. */
export function movedFrom(graph: OnnxGraph, tensor: string): string {
  let from = tensor;
  for (let node = graph.producer(from); isOp(node, ...MOVING); node = graph.producer(from))
    from = node.input[0]!;
  return from;
}

/** The tensor that a chain of casts began with. */
export function uncast(graph: OnnxGraph, tensor: string): string {
  let from = tensor;
  for (let node = graph.producer(from); isOp(node, 'Cast', 'Identity'); node = graph.producer(from))
    from = node.input[0]!;
  return from;
}

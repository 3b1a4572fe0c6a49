import type { AttentionSite } from '../attention/site.js';
import { attribute, isMicrosoftOp, isOp, usedNames, type OnnxGraph } from '../onnx/graph.js';
import { tensorInfo, type TensorInfo } from '../onnx/inputs.js';
import { DataType, tensorTypeName, type NodeProto } from '../onnx/types.js';
import type { OutputInfo, OutputKind } from '../types.js';
import { isProduct } from './split.js';

/** What config.json says of a model's outputs. */
export interface OutputSizes {
  hiddenSize: number;
  headDim: number;
  vocabSize: number;
  /** Classes of a classifier; null where config.json names none. */
  labels: number | null;
  architectures: readonly string[];
}

/** The logits among a graph's outputs. */
export interface LogitsOutput {
  name: string;
  /** Elements per token. */
  width: number;
}

export interface Outputs {
  outputs: OutputInfo[];
  /** Null where no output is over the vocabulary. */
  logits: LogitsOutput | null;
}

const FLOATS: ReadonlySet<DataType> = new Set([
  DataType.UNDEFINED,
  DataType.FLOAT,
  DataType.FLOAT16,
  DataType.BFLOAT16,
  DataType.DOUBLE,
]);
/** Multiples to which a vocabulary is padded for the kernels that multiply with it. */
const PADDED_TO = [8, 16, 32, 64, 128, 256, 512, 1024];

/**
 * Tells what each output of a graph holds, by its width, by its rank and by what it is computed from; by its name only
 * where the same tensor could be either of two. Logits are as wide as the vocabulary (of config.json, of the embedding,
 * or padded), and a product with weights makes them of the last layer's hidden state.
 *
 * Of several such outputs those with one row for each token come first, then the one called `logits`, then the first.
 */
export function classifyOutputs(
  graph: OnnxGraph,
  sites: readonly AttentionSite[],
  sizes: OutputSizes,
): Outputs {
  const last = graph.producer(sites.at(-1)!.hidden);
  const classified = graph.graph.output.map(tensorInfo).map((info) => {
    const above = nodesAbove(graph, info.name, last);
    const width = lastDim(info) ?? headWidth(graph, above.nodes);
    return { info, width, kind: kindOf(info, width, above, graph, sites, sizes) };
  });
  const logits = classified
    .filter(({ kind }) => kind === 'logits')
    .toSorted(
      (a, b) =>
        Number(hasFewTokens(a.info)) - Number(hasFewTokens(b.info)) ||
        Number(b.info.name === 'logits') - Number(a.info.name === 'logits'),
    )[0];
  return {
    outputs: classified.map(({ info: { name, type, shape }, kind }) => ({
      name,
      type: tensorTypeName(type),
      shape: shape.map((dim) => dim ?? '?'),
      kind,
    })),
    logits: logits ? { name: logits.info.name, width: logits.width! } : null,
  };
}

function kindOf(
  info: TensorInfo,
  width: number | null,
  above: Above,
  graph: OnnxGraph,
  sites: readonly AttentionSite[],
  sizes: OutputSizes,
): OutputKind {
  const { shape } = info;
  const rank = shape.length;
  if (!above.fromLast) {
    if (isWeights(graph, info.name, sites)) return 'attention-weights';
    if (isCache(graph, info, sites, sizes)) return 'cache';
    return width === sizes.hiddenSize && rank !== 4 ? 'hidden-states' : 'other';
  }
  if (rank === 4) return isCache(graph, info, sites, sizes) ? 'cache' : 'other';
  const isProjected = above.nodes.some(
    (node) => isProduct(node) && weightsOf(graph, node) !== null,
  );
  if (
    isProjected &&
    FLOATS.has(info.type) &&
    isVocabulary(graph, width, sizes) &&
    !above.nodes.some((node) => isOp(node, 'Softmax', 'LogSoftmax'))
  )
    return 'logits';
  const isScored =
    isProjected && width !== sizes.hiddenSize && (width === sizes.labels || classifies(sizes));
  if (rank === 2) return isScored ? 'scores' : 'embedding';
  return isScored ? 'token-scores' : width === sizes.hiddenSize ? 'hidden-states' : 'other';
}

/** Whether config.json names a classifier, or a reward model, rather than a language model. */
function classifies({ architectures }: OutputSizes): boolean {
  return architectures.some((name) =>
    /(ForSequenceClassification|ForTokenClassification|ForQuestionAnswering|RewardModel)$/.test(
      name,
    ),
  );
}

function isVocabulary(graph: OnnxGraph, width: number | null, sizes: OutputSizes): boolean {
  const { vocabSize, labels } = sizes;
  if (width === null) return false;
  if (width === labels && classifies(sizes)) return false;
  if (width === vocabSize || (width !== sizes.hiddenSize && embeddingRows(graph).has(width)))
    return true;
  return PADDED_TO.some((multiple) => width === Math.ceil(vocabSize / multiple) * multiple);
}

const rowsOf = new WeakMap<OnnxGraph, ReadonlySet<number>>();

/** Rows of the tables that token ids choose from: 2D weights that are gathered by what is fed. */
function embeddingRows(graph: OnnxGraph): ReadonlySet<number> {
  const known = rowsOf.get(graph);
  if (known) return known;
  const rows = new Set<number>();
  for (const node of graph.graph.node) {
    if (!isOp(node, 'Gather') && !isMicrosoftOp(node, 'GatherBlockQuantized')) continue;
    const table = weights(graph, node.input[0]);
    if (table?.length === 2 && isFed(graph, node.input[1]!)) rows.add(table[0]!);
  }
  rowsOf.set(graph, rows);
  return rows;
}

function isFed(graph: OnnxGraph, tensor: string): boolean {
  let name = tensor;
  for (
    let node = graph.producer(name);
    isOp(node, 'Cast', 'Identity', 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Clip');
    node = graph.producer(name)
  )
    name = node.input[0]!;
  return graph.inputs.has(name);
}

/** What lies between an output and the last layer. */
interface Above {
  nodes: NodeProto[];
  /** Whether it depends on what leaves the last layer. */
  fromLast: boolean;
}

function nodesAbove(graph: OnnxGraph, output: string, last: NodeProto | undefined): Above {
  const nodes = new Set<NodeProto>();
  let fromLast = false;
  const open = [output];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const node = graph.producer(name);
    if (!node || nodes.has(node)) continue;
    if (node === last) {
      fromLast = true;
      continue;
    }
    nodes.add(node);
    open.push(...usedNames(node));
  }
  // What does not come from the last layer has all layers below it, of which nothing is asked.
  return { nodes: [...nodes], fromLast };
}

/** The width that the products between the last layer and an output come to, where all agree. */
function headWidth(graph: OnnxGraph, nodes: readonly NodeProto[]): number | null {
  const widths = new Set(
    nodes.flatMap((node) => (isProduct(node) ? (weightsOf(graph, node) ?? []) : [])),
  );
  return widths.size === 1 ? [...widths][0]! : null;
}

/** How wide a product with weights makes its rows; null for a product of computed tensors. */
function weightsOf(graph: OnnxGraph, node: NodeProto): number | null {
  if (isMicrosoftOp(node, 'MatMulNBits', 'MatMulBnb4'))
    return Number(attribute(node, 'N')?.i ?? 0n) || null;
  const matrix = weights(graph, node.input[isOp(node, 'QLinearMatMul') ? 3 : 1]);
  if (!matrix || matrix.length < 2) return null;
  return (attribute(node, 'transB')?.i ?? 0n) !== 0n ? matrix.at(-2)! : matrix.at(-1)!;
}

/** The dims of a constant matrix, through whatever only changes how it is stored. */
function weights(graph: OnnxGraph, name: string | undefined): number[] | null {
  if (name === undefined) return null;
  const constant = graph.initializers.get(name);
  if (constant) return constant.dims.map(Number);
  const node = graph.producer(name);
  if (isOp(node, 'Constant')) return attribute(node, 'value')?.t?.dims.map(Number) ?? null;
  if (isOp(node, 'Cast', 'Identity', 'DequantizeLinear')) return weights(graph, node.input[0]);
  if (!isOp(node, 'Transpose')) return null;
  const dims = weights(graph, node.input[0]);
  const perm = attribute(node, 'perm')?.ints.map(Number);
  return dims && (perm ? perm.map((axis) => dims[axis]!) : dims.toReversed());
}

function isWeights(graph: OnnxGraph, output: string, sites: readonly AttentionSite[]): boolean {
  let name = output;
  // A guard writes zeros in place of NaN, and has the probabilities last.
  for (
    let node = graph.producer(name);
    isOp(node, 'Cast', 'Identity', 'Where');
    node = graph.producer(name)
  )
    name = node.input[node.opType === 'Where' ? 2 : 0]!;
  return isOp(graph.producer(name), 'Softmax') && sites.some(({ core }) => core.output[0] === name);
}

function isCache(
  graph: OnnxGraph,
  { name, shape }: TensorInfo,
  sites: readonly AttentionSite[],
  { headDim }: OutputSizes,
): boolean {
  const node = graph.producer(name);
  if (node && sites.some(({ core }) => core.output.indexOf(name) > 0)) return true;
  return shape.length === 4 && (shape[3] === headDim || /present|past|cache|key|value/i.test(name));
}

function lastDim({ shape }: TensorInfo): number | null {
  const dim = shape.at(-1);
  return typeof dim === 'number' ? dim : null;
}

/** Whether an output's shape says that it has not a row for each token: no sequence, or one of a fixed length. */
function hasFewTokens({ shape }: TensorInfo): boolean {
  return shape.length === 2 || shape[1] === 1;
}

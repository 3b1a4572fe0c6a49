import { append } from '../onnx/append.js';
import { buildElementProbe, buildFinite, ELEMENT_ROWS } from '../attention/traceProbes.js';
import { GraphBuilder } from '../onnx/builder.js';
import { elementTypes } from '../onnx/elementType.js';
import { isOp, OnnxGraph, usedNames } from '../onnx/graph.js';
import { copyModel, replaceUses } from '../onnx/rewrite.js';
import { DataType, type ModelProto, type NodeProto } from '../onnx/types.js';
import type { Batch, NonFiniteOrigin, Tensors } from '../types.js';
import { NO_PLACE, placeOf, tokenDims, type Place } from './originPlace.js';
import { largestOrNull, nonFiniteName } from './originRow.js';

export type ElementProbe = Record<(typeof ELEMENT_ROWS)[number], number>;

export interface NodeOrigin
  extends Pick<NonFiniteOrigin, 'kind' | 'weight' | 'value' | 'largest'>, Place {
  /** The tensor that the node makes. */
  tensor: string;
}

export interface NodeSearch {
  /** A rebuilt model, its nodes sorted. */
  model: ModelProto;
  /** Tensors of which one is not finite. */
  from: readonly string[];
  /** Whether a tensor is known to be finite on the tokens that matter, so that the search ends there. */
  isEnd: (tensor: string) => boolean;
  batch: Batch;
  /** Tokens to name first, [B·S]. */
  tokens: Uint8Array;
  /** Query heads. */
  heads: number;
  /** Runs what the outputs of a model made of this one need, on the batch and on inputs that were added. */
  execute: (model: ModelProto, added: Tensors) => Promise<Tensors>;
}

/** Types that hold nothing but finite numbers. */
const FINITE_TYPES: ReadonlySet<DataType> = new Set([
  DataType.BOOL,
  DataType.INT64,
  DataType.INT32,
  DataType.INT16,
  DataType.INT8,
  DataType.INT4,
  DataType.UINT64,
  DataType.UINT32,
  DataType.UINT16,
  DataType.UINT8,
  DataType.UINT4,
  DataType.STRING,
]);

/**
 * Searches the part of a model above some tensors for the first node, in topological order, whose output is not finite
 * although its computed inputs are, and from which what is not finite reaches those tensors. What is not finite at
 * the part's edge is of other tokens, and set to 0.
 *
 * @returns null where every tensor is finite
 */
export async function searchNodes(search: NodeSearch): Promise<NodeOrigin | null> {
  const { model, from, isEnd, batch, tokens, heads } = search;
  const index = new OnnxGraph(model);
  const region = regionAbove(index, from, isEnd);
  const typeOf = elementTypes(index);
  const measured = [...region.tensors].filter((tensor) => !FINITE_TYPES.has(typeOf(tensor)));
  const surveyed = await probe(
    search,
    region,
    measured.map((tensor) => ({ tensor, type: typeOf(tensor), dims: null })),
  );
  const isBad = (tensor: string): boolean => (surveyed.get(tensor)?.element.rank ?? 0) > 0;
  const first = firstNode(index, region, from.filter(isBad), isBad);
  if (!first) return null;

  const { node, tensor } = first;
  const dims = dependsOnInputs(index, tensor) ? surveyed.get(tensor)!.dims : [];
  const weights = node.input.filter(
    (name) => isWeight(index, name) && !FINITE_TYPES.has(typeOf(name)),
  );
  const located = await probe(
    search,
    region,
    [
      { tensor, type: typeOf(tensor), dims: tokenDims(dims, batch, heads) },
      ...weights.map((weight) => ({ tensor: weight, type: typeOf(weight), dims: null })),
    ],
    tokens,
  );
  const told = (element: ElementProbe): Pick<NodeOrigin, 'value' | 'largest'> => ({
    value: nonFiniteName(element.value),
    largest: largestOrNull(element.largest),
  });
  const weight = weights.find((name) => located.get(name)!.element.rank > 0);
  if (weight !== undefined)
    return { tensor, kind: 'weights', weight, ...told(located.get(weight)!.element), ...NO_PLACE };
  const { element } = located.get(tensor)!;
  return {
    tensor,
    kind: Number.isNaN(element.value) ? 'invalid' : 'overflow',
    weight: null,
    ...told(element),
    ...placeOf(dims, element.index, batch, heads),
  };
}

/** The tensors that some are computed from, those included, up to the search's end; without weights and constants. */
export function tensorsAbove(
  index: OnnxGraph,
  from: readonly string[],
  isEnd: (tensor: string) => boolean,
): ReadonlySet<string> {
  return regionAbove(index, from, isEnd).tensors;
}

/** Reads an element probe's output. */
export function readElement(outputs: Tensors, name: string): ElementProbe {
  return Object.fromEntries(
    ELEMENT_ROWS.map((row, i) => [row, Number(outputs[name]!.data[i])]),
  ) as ElementProbe;
}

/** Part of a graph: its tensors, weights and constants left out, and the tensors at its edge. */
interface Region {
  tensors: ReadonlySet<string>;
  ends: ReadonlySet<string>;
}

function regionAbove(
  index: OnnxGraph,
  from: readonly string[],
  isEnd: (tensor: string) => boolean,
): Region {
  const tensors = new Set<string>();
  const ends = new Set<string>();
  const open = [...from];
  for (let tensor = open.pop(); tensor !== undefined; tensor = open.pop()) {
    const node = index.producer(tensor);
    if (tensors.has(tensor) || !node || isOp(node, 'Constant')) continue;
    if (isEnd(tensor)) ends.add(tensor);
    else {
      tensors.add(tensor);
      append(open, usedNames(node));
    }
  }
  return { tensors, ends };
}

interface Wanted {
  tensor: string;
  type: DataType;
  /** The shape in which tokens are broadcast against it; null to prefer none. */
  dims: readonly number[] | null;
}

/** Probes tensors of the region, with their shapes. */
async function probe(
  { model, execute }: NodeSearch,
  { tensors, ends }: Region,
  wanted: readonly Wanted[],
  tokens: Uint8Array = new Uint8Array(),
): Promise<Map<string, { element: ElementProbe; dims: number[] }>> {
  const copy = copyModel(model);
  const graph = copy.graph!;
  const index = new OnnxGraph(copy);
  const builder = new GraphBuilder(graph, index.names());
  const readers = graph.node.filter((node) => node.output.some((output) => tensors.has(output)));
  for (const end of ends)
    replaceUses(readers, end, buildFinite(builder, end, elementTypes(index)(end)));
  const added: Tensors = {};
  const tokensIn = (dims: readonly number[]): string => {
    const name = `attn_diff/tokens_${dims.join('x')}`;
    if (!Object.hasOwn(added, name)) builder.input(name, DataType.BOOL, dims);
    added[name] = { type: 'bool', dims, data: tokens };
    return name;
  };
  const probes = wanted.map(({ tensor, type, dims }) => {
    const element = buildElementProbe(builder, tensor, type, dims && tokensIn(dims));
    return { tensor, element, shape: builder.op('Shape', [tensor]) };
  });
  graph.output = [];
  for (const { element, shape } of probes) {
    builder.output(element, DataType.DOUBLE);
    builder.output(shape, DataType.INT64);
  }
  append(graph.node, builder.nodes);
  const outputs = await execute(copy, added);
  return new Map(
    probes.map(({ tensor, element, shape }) => [
      tensor,
      { element: readElement(outputs, element), dims: Array.from(outputs[shape]!.data, Number) },
    ]),
  );
}

/** The first node, in the graph's order, that makes a bad tensor of none, among those that lead to the start through bad tensors. */
function firstNode(
  index: OnnxGraph,
  { tensors }: Region,
  from: readonly string[],
  isBad: (tensor: string) => boolean,
): { node: NodeProto; tensor: string } | null {
  const seen = new Set<string>();
  const origins = new Map<NodeProto, string>();
  const open = [...from];
  for (let tensor = open.pop(); tensor !== undefined; tensor = open.pop()) {
    if (seen.has(tensor)) continue;
    seen.add(tensor);
    const node = index.producer(tensor)!;
    const bad = usedNames(node).filter((input) => tensors.has(input) && isBad(input));
    if (bad.length === 0) origins.set(node, tensor);
    append(open, bad);
  }
  const node = index.graph.node.find((candidate) => origins.has(candidate));
  return node ? { node, tensor: origins.get(node)! } : null;
}

function isWeight(index: OnnxGraph, tensor: string): boolean {
  return index.initializers.has(tensor) || isOp(index.producer(tensor), 'Constant');
}

function dependsOnInputs(index: OnnxGraph, tensor: string): boolean {
  const seen = new Set<string>();
  const open = [tensor];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (index.inputs.has(name)) return true;
    if (seen.has(name)) continue;
    seen.add(name);
    const node = index.producer(name);
    if (node) append(open, usedNames(node));
  }
  return false;
}

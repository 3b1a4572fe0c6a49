import { AttnDiffError, type ErrorArgs } from '../errors.js';
import { isMicrosoftOp, isOp, usedNames, type OnnxGraph } from '../onnx/graph.js';
import { modelInputs, type TensorInfo } from '../onnx/inputs.js';
import { DataType, tensorTypeName, type NodeProto } from '../onnx/types.js';
import type { AttentionSite } from './site.js';

/** What an input is fed. */
export type InputRole =
  /** Token ids, [B,S]. */
  | 'ids'
  /** Which tokens are real, [B,S]. */
  | 'mask'
  /** Which keys each query may attend to, [B,1,S,S]. */
  | 'mask-4d'
  /** Position ids, [B,S]; the same for several axes, [n,B,S]; or counted from 0, [S] and [1,S]. */
  | 'positions'
  /** Zeros, [B,S]. */
  | 'token-types'
  /** Whether there is a past: there is none. */
  | 'use-cache'
  /** How many tokens are to have logits: 0 for all. */
  | 'logits-to-keep'
  /** An empty cache of keys or values. */
  | 'cache'
  /** What no node reads; zeros. */
  | 'unused';

/** How a mask says so: 1 on what is kept, 1 on what is masked, or what is added to the scores. */
export const MASK_ENCODINGS = ['keep', 'additive', 'drop'] as const;
export type MaskEncoding = (typeof MASK_ENCODINGS)[number];

/** An input of a model, and what to feed it. */
export interface ModelInput extends TensorInfo {
  role: InputRole;
  /** Of a mask; its values are tried where its type allows several. */
  encoding: MaskEncoding;
  /** Of a 4D mask: whether it is to be causal, and the sliding window that it is to have; null for none. */
  causal: boolean;
  window: number | null;
}

/** Sizes that a file's inputs fix; null for one that is open. */
export interface FixedSizes {
  batch: number | null;
  length: number | null;
  /** The input that fixes them; null where none does. */
  input: TensorInfo | null;
}

export const USE_CACHE_BRANCH = 'use_cache_branch';

const BY_NAME: Readonly<Record<string, InputRole>> = {
  input_ids: 'ids',
  attention_mask: 'mask',
  position_ids: 'positions',
  cache_position: 'positions',
  token_type_ids: 'token-types',
  [USE_CACHE_BRANCH]: 'use-cache',
  num_logits_to_keep: 'logits-to-keep',
  logits_to_keep: 'logits-to-keep',
};

const FLOATS: ReadonlySet<DataType> = new Set([DataType.FLOAT, DataType.FLOAT16, DataType.DOUBLE]);
const NUMBERS: ReadonlySet<DataType> = new Set([
  ...FLOATS,
  DataType.INT64,
  DataType.INT32,
  DataType.BOOL,
]);
const CACHE_NAME = /past|cache/i;
/** Operators behind which an index is still the same index. */
const INDEX_KEPT = ['Cast', 'Identity', 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Clip'];

/**
 * Tells what each input of a graph is to be fed: by its name where that is one of Hugging Face's, else by its use. What
 * chooses rows of a table of the vocabulary's size is token ids; what the rotary embedding is made of is positions; what
 * masks are made of is a mask.
 *
 * @throws AttnDiffError input-not-supported, naming the input, where it is none of these, or could be several
 */
export function classifyInputs(
  graph: OnnxGraph,
  sites: readonly AttentionSite[],
  vocabSize: number,
): ModelInput[] {
  const masked = new Set(
    sites.flatMap(({ mask, core }) =>
      mask.kind === 'tensor'
        ? inputsAbove(graph, [mask.tensor])
        : mask.kind === 'lengths'
          ? inputsAbove(graph, core.input.slice(5, 7))
          : [],
    ),
  );
  const inputs = modelInputs(graph).map((info): ModelInput => {
    const role =
      rankedRole(info, BY_NAME[info.name]) ?? roleByUse(graph, info, sites, masked, vocabSize);
    if (!NUMBERS.has(info.type))
      throw refused(info, `attn-diff does not feed ${tensorTypeName(info.type)}`, 'standard');
    return {
      ...info,
      role,
      encoding: role === 'mask-4d' && FLOATS.has(info.type) ? 'additive' : 'keep',
      causal: true,
      window: null,
    };
  });
  for (const input of inputs) if (input.role === 'cache') checkCache(input, sites);
  const ids = inputs.filter(({ role }) => role === 'ids');
  if (ids.length > 1)
    throw refused(ids[1]!, `it could be the token ids, as ${ids[0]!.name} could`, 'standard');
  return inputs;
}

/** A name says what an input is; its rank, of which form. */
function rankedRole({ shape }: TensorInfo, role: InputRole | undefined): InputRole | undefined {
  return role === 'mask' && shape.length > 2 ? 'mask-4d' : role;
}

function roleByUse(
  graph: OnnxGraph,
  info: TensorInfo,
  sites: readonly AttentionSite[],
  masked: ReadonlySet<string>,
  vocabSize: number,
): InputRole {
  const { name, type, shape } = info;
  const rank = shape.length;
  // A merged decoder reads its caches in the branch that is not taken.
  if (graph.consumers(name).length === 0 && !graph.outputs.has(name))
    return FLOATS.has(type) && rank === 4 && CACHE_NAME.test(name) ? 'cache' : 'unused';
  if (choosesTokens(graph, name, vocabSize)) return 'ids';
  if (FLOATS.has(type) && rank === 4 && !masked.has(name) && isCache(graph, info, sites))
    return 'cache';
  const turns = reachesRotary(graph, name);
  if (masked.has(name) && turns)
    throw refused(
      info,
      'masks and positions are both made of it, so that it could be either',
      'standard',
    );
  if (masked.has(name) && rank > 2) return 'mask-4d';
  if (masked.has(name) && rank === 2) return 'mask';
  if (turns && rank >= 1 && rank <= 3) return 'positions';
  if (FLOATS.has(type) && rank === 3)
    throw refused(
      info,
      'it takes the place of the embedding, whose table is not in the file',
      'ids',
    );
  if (rank >= 4) throw refused(info, 'it is no token ids, mask, positions or cache', 'text');
  throw refused(info, 'it is no token ids, mask, positions or cache', 'standard');
}

/** Whether an input chooses rows of a table as long as the vocabulary. */
function choosesTokens(graph: OnnxGraph, name: string, vocabSize: number): boolean {
  const open = [name];
  for (let tensor = open.pop(); tensor !== undefined; tensor = open.pop()) {
    for (const node of graph.consumers(tensor)) {
      const isLookUp = isOp(node, 'Gather') || isMicrosoftOp(node, 'GatherBlockQuantized');
      if (isLookUp && node.input[1] === tensor && tableRows(graph, node.input[0]!) >= vocabSize)
        return true;
      if (isOp(node, ...INDEX_KEPT) && node.input[0] === tensor) open.push(node.output[0]!);
    }
  }
  return false;
}

function tableRows(graph: OnnxGraph, name: string): number {
  const table =
    graph.constant(name) ??
    (isOp(graph.producer(name), 'DequantizeLinear')
      ? graph.constant(graph.producer(name)!.input[0])
      : undefined);
  return table?.dims.length === 2 ? Number(table.dims[0]) : 0;
}

/** The inputs that some tensors' values come of; shapes hold none. */
function inputsAbove(graph: OnnxGraph, tensors: readonly string[]): string[] {
  const seen = new Set<string>();
  const open = [...tensors];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const node = graph.producer(name);
    if (node && !isOp(node, 'Shape', 'Size')) open.push(...usedNames(node));
  }
  return [...seen].filter((name) => graph.inputs.has(name));
}

/** Whether cosines and sines, or the rows of a table of them, come of an input. */
function reachesRotary(graph: OnnxGraph, from: string): boolean {
  const seen = new Set<NodeProto>();
  const open = [from];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    for (const node of graph.consumers(name)) {
      if (isOp(node, 'Cos', 'Sin', 'RotaryEmbedding') || isMicrosoftOp(node, 'RotaryEmbedding'))
        return true;
      if (isMicrosoftOp(node, 'GroupQueryAttention') && node.input[9] === name) return true;
      if (seen.has(node) || isOp(node, 'Shape', 'Size', 'Softmax', 'Attention')) continue;
      seen.add(node);
      if (
        isOp(node, 'Gather') &&
        node.input[1] === name &&
        graph.constant(node.input[0])?.dims.length === 2
      )
        return true;
      open.push(...node.output);
    }
  }
  return false;
}

/** Whether keys or values come of an input beside those of the batch. */
function isCache(graph: OnnxGraph, { name }: TensorInfo, sites: readonly AttentionSite[]): boolean {
  const isPast = (node: NodeProto): boolean =>
    sites.some(({ core }) => core === node) ||
    isOp(node, 'Concat') ||
    isMicrosoftOp(node, 'GroupQueryAttention', 'MultiHeadAttention');
  return graph
    .consumers(name)
    .some((node) => isPast(node) || isOp(node, 'Shape', 'Transpose', 'Identity', 'Cast'));
}

/** A cache that is fed empty must take no tokens; a ring cache is as long as its window. */
function checkCache(info: TensorInfo, sites: readonly AttentionSite[]): void {
  const past = info.shape[2];
  const isRing = sites.some(
    ({ mask, core }) => mask.kind === 'lengths' && mask.ring && core.input.includes(info.name),
  );
  if (typeof past === 'number' && past > 0 && !isRing)
    throw refused(info, `it is a cache that always holds ${past} tokens`, 'cache');
}

/**
 * The sizes that inputs fix. Positions of one row that all rows share fix none.
 *
 * @throws AttnDiffError input-not-supported where two inputs fix different ones
 */
export function fixedSizes(inputs: readonly ModelInput[]): FixedSizes {
  const fixed: FixedSizes = { batch: null, length: null, input: null };
  const isOpen = inputs.some(({ role, shape }) => role === 'ids' && typeof shape[0] !== 'number');
  for (const input of inputs) {
    for (const [size, axis] of sizeAxes(input)) {
      const dim = input.shape[axis];
      if (
        typeof dim !== 'number' ||
        (size === 'batch' && dim === 1 && isOpen && input.role === 'positions')
      )
        continue;
      if (fixed[size] !== null && fixed[size] !== dim)
        throw refused(
          input,
          `${fixed.input!.name} has ${fixed[size]} where this has ${dim}, as with a cache of fixed length`,
          'cache',
        );
      fixed[size] = dim;
      fixed.input ??= input;
    }
  }
  return fixed;
}

/** Where the batch's sizes are among the dims of an input. */
export function sizeAxes({
  role,
  shape,
}: Pick<ModelInput, 'role' | 'shape'>): ['batch' | 'length', number][] {
  const rank = shape.length;
  if (role === 'positions')
    return rank === 1
      ? [['length', 0]]
      : [
          ['batch', rank - 2],
          ['length', rank - 1],
        ];
  if (role === 'mask-4d')
    return [
      ['batch', 0],
      ['length', rank - 2],
      ['length', rank - 1],
    ];
  if (role === 'cache') return [['batch', 0]];
  return role === 'ids' || role === 'mask' || role === 'token-types'
    ? [
        ['batch', 0],
        ['length', 1],
      ]
    : [];
}

/** An input as an error names it. */
export function inputText({ name, type, shape }: TensorInfo): string {
  return `the input "${name}" (${tensorTypeName(type)}[${shape.map((dim) => dim ?? '?').join(', ')}])`;
}

/** An error that names an input with its type and shape. */
export function refused(
  { name, type, shape }: TensorInfo,
  problem: string,
  remedy: ErrorArgs['input-not-supported']['remedy'],
): AttnDiffError {
  return new AttnDiffError('input-not-supported', {
    name,
    type: tensorTypeName(type),
    shape: shape.map((dim) => dim ?? '?'),
    problem,
    remedy,
  });
}

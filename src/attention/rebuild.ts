import { append } from '../onnx/append.js';
import { GraphBuilder, makeValueInfo } from '../onnx/builder.js';
import { OnnxGraph } from '../onnx/graph.js';
import { raiseOpset } from '../onnx/opset.js';
import {
  copyModel,
  dropUnused,
  opsetOf,
  replaceUses,
  setOpset,
  sortNodes,
} from '../onnx/rewrite.js';
import { DataType, type ModelProto, type NodeProto, type ValueInfoProto } from '../onnx/types.js';
import type { AttentionPrecision, Deviation, Scope, Stream, Tap } from '../types.js';
import type { ResolvedSite, Sizes } from './evaluate.js';
import { implementationOf } from './implementations/index.js';
import type { AttentionInputs, Decoding } from './implementations/types.js';
import type { SharedOutput } from './exchange.js';
import { maskInputs, type AddedInput } from './maskInputs.js';
import { SiteBuilder } from './siteBuilder.js';
import { UNFOLD_OPSET } from './qkv.js';
import { unstackQuantisation } from './unstackQuantisation.js';

/** A graph output that carries a probe: [PROBE_ROWS, streams, B, S], float64. */
export interface ProbeOutput {
  output: string;
  tap: Tap;
  scope: Scope;
  layer: number | null;
  /** Labels along the streams axis. */
  streams: string[];
}

/** A graph output that carries a tap's own tensor, one per stream; for tests and for saving. */
export interface CaptureOutput {
  output: string;
  tap: Tap;
  scope: Scope;
  layer: number | null;
  stream: string;
}

/** A graph output that carries a layer's ranges: [RANGE_ROWS, H], float64. */
export interface RangeOutput {
  output: string;
  layer: number;
  /** What the layer multiplies QKᵀ by. */
  scale: number;
}

/** A graph output that holds variants of one layer's attention against a stream's: as a probe, with the variants as streams. */
export interface VariantOutput {
  output: string;
  layer: number;
  variants: string[];
}

/** The model with every site rebuilt as parallel implementations, to be fed the batch once per stream, stacked. */
export interface DiffGraph {
  model: ModelProto;
  streams: Stream[];
  reference: string;
  /** Label of the stream that errors are measured from; null where there is none. */
  truth: string | null;
  /** Inputs beyond the model's own. */
  added: AddedInput[];
  probes: ProbeOutput[];
  captures: CaptureOutput[];
  ranges: RangeOutput[];
  variants: VariantOutput[];
  /** How often the batch is stacked: once per stream, and once more where the file's own nodes run on what is given. */
  slots: number;
  /** What this graph hands to those that hold other streams against its reference. */
  shared: SharedOutput[];
}

/** Ways to compute a layer's attention that are held against a stream's, all on the reference's Q, K, V. */
export interface Variants {
  layers: readonly number[];
  /** Label of the stream that each is held against. */
  target: string;
  list: readonly Pick<Stream, 'label' | 'name' | 'settings'>[];
}

/** Asks for what one stream computes at one layer. */
export interface Trace {
  layer: number;
  stream: string;
  scope: Scope;
  /** Told of the layer once it is built, to add nodes of its own. */
  site: (builder: GraphBuilder, traced: TracedSite) => void;
}

export interface TracedSite {
  /** What the stream's attention is given; for `original`, what an implementation with its settings would be. */
  inputs: AttentionInputs;
  /** What it makes of it, [B,H,S,D], float32 or float64. */
  output: string;
}

export interface RebuildOptions {
  graph: OnnxGraph;
  sites: readonly ResolvedSite[];
  sizes: Sizes;
  streams: readonly Stream[];
  /** Label of the stream that the others are compared with. */
  reference: string;
  /** Label of the stream that errors are measured from. */
  truth?: string | null;
  /** What Q, K and V are rounded to in the local scope: the run's precision. */
  precision?: AttentionPrecision;
  /** Tokens that come before decoding, and the decoding steps. */
  decoding?: Decoding | null;
  /** Whether the batches bring a mask of their own, and of which form. */
  ownMask?: 'boolean' | 'additive' | null;
  /** Tensors of the model that stay outputs, such as the logits; they are stacked over streams. */
  keep?: readonly string[];
  /** Whether to go around the quantisation inside sites, which no rebuilt implementation has. */
  dequantise?: boolean;
  /** Whether sites whose mask is wrong are built with the file's own mask, as for proving that the rest was read rightly. */
  fileMasks?: boolean;
  /** Whether the graph emulates the half precision that its file is written in: then what leaves a stream's attention is rounded where the file holds it so. */
  emulatesHalf?: boolean;
  /** Whether to also return every tap's tensors. */
  capture?: boolean;
  /** Whether to hand out what graphs with other streams need, and for the file's own nodes in them too. */
  share?: { siteInputs: boolean } | null;
  /** What another graph shares: then the reference and the truth are not among the streams, but come from there. */
  given?: readonly Pick<SharedOutput, 'key' | 'type'>[] | null;
  /** Whether to probe the ranges of the reference's scores. */
  ranges?: boolean;
  variants?: Variants;
  trace?: Trace;
  /** A fault in one layer of one stream, to see that it is found; the reference stays as it is. */
  plant?: { stream: string; layer: number; deviation: Deviation };
}

/**
 * Rebuilds a model so that one forward pass runs every stream. Each site's Q, K and V are split on the batch axis,
 * each slice gets its stream's implementation, and the results are concatenated; the rest of the graph, and every
 * weight, stays as it is. Beside its own stream, each implementation also runs on the reference's Q, K, V (the
 * local error).
 *
 * @throws AttnDiffError graph-not-supported
 */
export function rebuild(options: RebuildOptions): DiffGraph {
  const { streams, sites, reference, truth = null } = options;
  const model = copyModel(options.graph.model);
  const graph = model.graph!;
  if (options.dequantise)
    for (const { from, to } of sites.flatMap(({ quantisation }) => quantisation))
      replaceUses(graph.node, from, to);
  const index = new OnnxGraph(model);
  nameNodes(graph.node);
  const originalNodes = [...graph.node];
  const builder = new GraphBuilder(graph, index.names());
  const inputs = maskInputs(builder, options.ownMask ?? null);
  raiseOpsets(model, options);
  graph.output = keptOutputs(options.graph, options.keep ?? []);

  const work = new SiteBuilder(options, builder, inputs, originalNodes, index);
  if (work.slots > 1) unstackQuantisation(builder, index, work.slots);
  for (const site of sites) work.site(site);
  for (const site of sites) work.tapHidden(site.layer, site.hidden);

  append(graph.node, builder.nodes);
  dropUnused(graph);
  sortNodes(graph);
  const { probes, captures, ranges, variants, slots, shared } = work;
  return {
    model,
    streams: [...streams],
    reference,
    truth,
    added: inputs.added,
    probes,
    captures,
    ranges,
    variants,
    slots,
    shared,
  };
}

/** The model's outputs of these names; other tensors become outputs of unknown shape. */
function keptOutputs(graph: OnnxGraph, names: readonly string[]): ValueInfoProto[] {
  return names.map(
    (name) =>
      graph.graph.output.find((output) => output.name === name) ??
      makeValueInfo(name, DataType.UNDEFINED),
  );
}

/** A profile tells nodes by name, so each gets one. */
function nameNodes(nodes: readonly NodeProto[]): void {
  nodes.forEach((node, i) => {
    if (node.name === '') node.name = `${node.opType}_${i}`;
  });
}

/** Probes reduce over axes given as inputs and split by count, both of opset 18. */
export const PROBE_OPSET = 18;

function raiseOpsets(model: ModelProto, { streams, sites, variants }: RebuildOptions): void {
  raiseOpset(
    model,
    sites.some(({ qkv }) => qkv.kind === 'flat' && (qkv.rotary ?? qkv.norm) !== null)
      ? UNFOLD_OPSET
      : PROBE_OPSET,
  );
  const built = [...streams, ...(variants?.list ?? [])];
  for (const { domain, version } of built.flatMap(({ name, settings }) =>
    name === 'original' ? [] : implementationOf(name, settings).opsets,
  )) {
    if (domain === '') raiseOpset(model, version);
    else if ((opsetOf(model, domain) ?? 0) < version) setOpset(model, domain, version);
  }
}

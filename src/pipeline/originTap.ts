import type { ResolvedSite } from '../attention/evaluate.js';
import type { DiffGraph } from '../attention/rebuild.js';
import { headSplit } from '../head/split.js';
import { OnnxGraph } from '../onnx/graph.js';
import type { NodeProto } from '../onnx/types.js';
import type { NonFiniteOrigin, Precision } from '../types.js';
import { traceAttention, type AttentionTrace } from './originAttention.js';
import { execute, fileNode, nodeName, rebuildFor, type Job } from './originJob.js';
import { searchNodes, tensorsAbove, type NodeOrigin } from './originNodes.js';
import { originalPrecision } from './precision.js';

/** What was found of a bad tap. */
export interface TapOrigin {
  /** Null where nothing is found: what was not finite in the run is finite alone. */
  origin: NonFiniteOrigin | null;
  /** What attention's scores are kept in; null outside attention. */
  scores: Precision | null;
  /** NaN and infinite elements at the tap on the tokens asked for; 0 outside attention. */
  nan: number;
  inf: number;
}

/** Traces the first tap of a stream that is not finite to where that began. */
export async function tapOrigin(job: Job): Promise<TapOrigin> {
  const { layer, tap } = job.place;
  if (layer === null) return { origin: await headOrigin(job), scores: null, nan: 0, inf: 0 };
  const site = siteOf(job, layer);
  if (tap !== 'attention')
    return { origin: await blockOrigin(job, site), scores: null, nan: 0, inf: 0 };
  const trace = await traceAttention(job, site);
  const { nan, inf } = trace;
  return {
    origin: trace.origin
      ? { layer, weight: null, ...trace.origin }
      : await projectionOrigin(job, site, trace),
    scores: scoresPrecision(job, site, trace),
    nan,
    inf,
  };
}

/** Above Q, K and V: the layer's norm and projections, and at layer 0 what comes before it. */
async function projectionOrigin(
  job: Job,
  site: ResolvedSite,
  { diff, blamed }: AttentionTrace,
): Promise<NonFiniteOrigin | null> {
  // What the reference's Q, K and V hold is the reference's matter.
  if (blamed.length === 0 || job.streams.length > 1) return null;
  const before = hiddenBefore(job, site.layer);
  const found = await search(job, diff, blamed, (tensor) => tensor === before);
  if (!found) return null;
  // The embedding is what feeds layer 0 past its attention too.
  const isEmbedding =
    before === null &&
    tensorsAbove(new OnnxGraph(diff.model), [site.hidden], (tensor) =>
      isAttentionOutput(job, site, tensor),
    ).has(found.tensor);
  return atNode(job, diff, found, isEmbedding ? null : site.layer, site.core);
}

/** Between a layer's attention and its end. */
async function blockOrigin(job: Job, site: ResolvedSite): Promise<NonFiniteOrigin | null> {
  const diff = rebuildFor(job, {});
  const before = hiddenBefore(job, site.layer);
  const found = await search(
    job,
    diff,
    [site.hidden],
    (tensor) => tensor === before || isAttentionOutput(job, site, tensor),
  );
  return found && atNode(job, diff, found, site.layer, null);
}

/** After the last layer. */
async function headOrigin(job: Job): Promise<NonFiniteOrigin | null> {
  const { name } = job.context.loaded.logits!;
  const { cut, selects } = headSplit(job.graph, name);
  // Tokens are found by their place, so that what comes behind a selection of them is not searched.
  const end = selects ? cut : name;
  const diff = rebuildFor(job, { keep: [end] });
  const before = job.context.sites.at(-1)!.hidden;
  const found = await search(job, diff, [end], (tensor) => tensor === before);
  return found && atNode(job, diff, found, null, null);
}

function siteOf({ context: { sites } }: Job, layer: number): ResolvedSite {
  const site = sites.find((candidate) => candidate.layer === layer);
  if (!site) throw new Error(`no site has layer ${layer}`);
  return site;
}

/** The last hidden state with a tap before a layer; null for the first that has one. */
function hiddenBefore({ context: { sites } }: Job, layer: number): string | null {
  return sites.findLast((site) => site.layer < layer)?.hidden ?? null;
}

/** Whether a tensor between attention and the layer's end is attention's: the file's own, or one that rebuilding made. */
function isAttentionOutput({ graph }: Job, site: ResolvedSite, tensor: string): boolean {
  return tensor === site.output || !graph.producer(tensor);
}

function search(
  job: Job,
  diff: DiffGraph,
  from: readonly string[],
  isEnd: (tensor: string) => boolean,
): Promise<NodeOrigin | null> {
  const { batch, tokens, context } = job;
  return searchNodes({
    model: diff.model,
    from,
    isEnd,
    batch,
    tokens,
    heads: context.loaded.sizes.heads,
    execute: (model, added) => execute(job, diff, model, added),
  });
}

function atNode(
  job: Job,
  diff: DiffGraph,
  { tensor, ...found }: NodeOrigin,
  layer: number | null,
  unfolded: NodeProto | null,
): NonFiniteOrigin {
  const node = fileNode(job, new OnnxGraph(diff.model), tensor, unfolded);
  return { layer, step: 'node', node: node && nodeName(node), ...found };
}

/** sdpa, flash and exact keep scores in float32 or wider whatever their precision. */
function scoresPrecision(
  { stream, graph }: Job,
  site: ResolvedSite,
  { inputs }: AttentionTrace,
): Precision {
  if (stream.name === 'original') return originalPrecision(graph, [site]).precision;
  return stream.name === 'eager' ? inputs.settings.scoresPrecision : 'fp32';
}

import type { ResolvedSite } from '../attention/evaluate.js';
import type { AttentionSite } from '../attention/site.js';
import { hasBfloat16 } from '../attention/kernels.js';
import type { RebuildOptions } from '../attention/rebuild.js';
import type { RunConfig } from '../config/index.js';
import { OnnxGraph } from '../onnx/graph.js';
import { emulateHalf } from '../onnx/emulateHalf.js';
import { HALF_TYPES, type HalfType } from '../onnx/half.js';
import { halfTypeOf, roundActivations } from '../onnx/roundActivations.js';
import { copyModel } from '../onnx/rewrite.js';
import type { Batch, ProviderName } from '../types.js';
import type { LoadedModel } from './load.js';

const rounded = new WeakMap<OnnxGraph, Map<string, OnnxGraph>>();

const halfTypes = new WeakMap<OnnxGraph, HalfType | null>();

/** The graph that a run's streams share, its activations rounded where that is asked for: made once for all passes. */
export function runGraph(
  { graph, narrow }: Pick<LoadedModel, 'graph' | 'narrow'>,
  { activations }: Pick<RunConfig, 'activations'>,
): OnnxGraph {
  if (activations === null) return graph;
  const known = rounded.get(graph) ?? new Map<string, OnnxGraph>();
  rounded.set(graph, known);
  const found = known.get(activations);
  if (found) return found;
  const type = HALF_TYPES[activations];
  const own = ownHalfGraph({ graph, narrow }, { activations });
  const model = copyModel((own ?? graph).model);
  if (own) emulateHalf(model, type);
  else roundActivations(model, type);
  const made = new OnnxGraph(model);
  known.set(activations, made);
  return made;
}

/** The file's graph in the type that its activations are to be rounded to, where that is what it computes in; null where it is another. */
export function ownHalfGraph(
  { graph, narrow }: Pick<LoadedModel, 'graph' | 'narrow'>,
  { activations }: Pick<RunConfig, 'activations'>,
): OnnxGraph | null {
  if (activations === null) return null;
  const own = narrow?.graph ?? graph;
  const type = halfTypes.has(own) ? halfTypes.get(own) : halfTypeOf(own);
  halfTypes.set(own, type ?? null);
  return type === HALF_TYPES[activations] ? own : null;
}

/**
 * The graph and the sites that streams of a provider are rebuilt from: of a bfloat16 file, on a provider with bfloat16
 * kernels, the file's own, unless activations are to be rounded, which is done in float32.
 */
export function graphOn(
  provider: ProviderName,
  loaded: Pick<LoadedModel, 'graph' | 'narrow'>,
  sites: readonly ResolvedSite[],
  config: Pick<RunConfig, 'activations'>,
): { graph: OnnxGraph; sites: readonly ResolvedSite[] } {
  const { narrow } = loaded;
  if (narrow === null || config.activations !== null || !hasBfloat16(provider))
    return { graph: runGraph(loaded, config), sites: runSites(loaded, sites, config) };
  return { graph: narrow.graph, sites: narrowed(sites, narrow.sites) };
}

/** The sites as they are in {@link runGraph}. */
export function runSites(
  { graph, narrow }: Pick<LoadedModel, 'graph' | 'narrow'>,
  sites: readonly ResolvedSite[],
  config: Pick<RunConfig, 'activations'>,
): readonly ResolvedSite[] {
  return narrow !== null && ownHalfGraph({ graph, narrow }, config) === narrow.graph
    ? narrowed(sites, narrow.sites)
    : sites;
}

function narrowed(
  resolved: readonly ResolvedSite[],
  sites: readonly AttentionSite[],
): ResolvedSite[] {
  return resolved.map((site, i) => ({
    ...sites[i]!,
    scale: site.scale,
    sinks: site.sinks,
    maskSummary: site.maskSummary,
    fileMask: site.fileMask,
    maskFaults: site.maskFaults,
  }));
}

/** What the batches of a run have in common, as rebuilding needs it. */
export function batchForm(batches: readonly Batch[]): Pick<RebuildOptions, 'decoding' | 'ownMask'> {
  const first = batches[0];
  if (!first) return {};
  return {
    decoding: first.past === 0 ? null : { past: first.past, steps: first.length - first.past },
    ownMask: first.mask === null ? null : first.mask.additive === null ? 'boolean' : 'additive',
  };
}

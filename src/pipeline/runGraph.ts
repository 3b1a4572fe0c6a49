import type { ResolvedSite } from '../attention/evaluate.js';
import { hasBfloat16 } from '../attention/kernels.js';
import type { RebuildOptions } from '../attention/rebuild.js';
import type { RunConfig } from '../config/index.js';
import { OnnxGraph } from '../onnx/graph.js';
import { HALF_TYPES } from '../onnx/half.js';
import { roundActivations } from '../onnx/roundActivations.js';
import { copyModel } from '../onnx/rewrite.js';
import type { Batch, ProviderName } from '../types.js';
import type { LoadedModel } from './load.js';

const rounded = new WeakMap<OnnxGraph, Map<string, OnnxGraph>>();

/** The graph that a run's streams share, its activations rounded where that is asked for: made once for all passes. */
export function runGraph({ graph }: Pick<LoadedModel, 'graph'>, { activations }: Pick<RunConfig, 'activations'>): OnnxGraph {
  if (activations === null) return graph;
  const known = rounded.get(graph) ?? new Map<string, OnnxGraph>();
  rounded.set(graph, known);
  const found = known.get(activations);
  if (found) return found;
  const model = copyModel(graph.model);
  roundActivations(model, HALF_TYPES[activations]);
  const made = new OnnxGraph(model);
  known.set(activations, made);
  return made;
}

/**
 * The graph and the sites that streams of a provider are rebuilt from: of a bfloat16 file, on a provider with bfloat16
 * kernels, the file's own, unless activations are to be rounded, which is done to what was widened.
 */
export function graphOn(provider: ProviderName, loaded: Pick<LoadedModel, 'graph' | 'narrow'>, sites: readonly ResolvedSite[], config: Pick<RunConfig, 'activations'>): { graph: OnnxGraph; sites: readonly ResolvedSite[] } {
  const { narrow } = loaded;
  if (narrow === null || config.activations !== null || !hasBfloat16(provider)) return { graph: runGraph(loaded, config), sites };
  return { graph: narrow.graph, sites: sites.map((site, i) => ({ ...narrow.sites[i]!, scale: site.scale, maskSummary: site.maskSummary, fileMask: site.fileMask, maskFaults: site.maskFaults })) };
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

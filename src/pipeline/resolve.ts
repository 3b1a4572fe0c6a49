import { planEvaluation, type ResolvedSite } from '../attention/evaluate.js';
import { maskProbeBatch } from '../batch/index.js';
import { OnnxGraph } from '../onnx/graph.js';
import { modelInputs } from '../onnx/inputs.js';
import { configuredWindow } from '../metrics/index.js';
import { encodeModel } from '../onnx/read.js';
import type { Runner } from '../runners/types.js';
import type { Batch, Tensors } from '../types.js';
import { modelFeeds } from './feeds.js';
import type { LoadedModel } from './load.js';
import { inSession } from './once.js';

/** Shortest mask that shows causality and padding plainly. */
const SHORTEST_PROBE = 12;

/**
 * Finds what every site's scale and mask come to, by running the part of the graph that computes them, and holds
 * the masks of every batch of the run against that. A mask that is not what config.json asks for is noted at its site.
 * No weight takes part.
 *
 * @throws AttnDiffError site-not-recognised, graph-not-supported, execution-failed
 */
export async function resolveSites(loaded: LoadedModel, runner: Runner, batches: readonly Batch[] = []): Promise<ResolvedSite[]> {
  const { slidingWindow, isCausal } = loaded.source.config;
  const probe = maskProbeBatch(Math.max(SHORTEST_PROBE, (slidingWindow ?? 0) + 4));
  const evaluation = planEvaluation(loaded.graph, loaded.sites, loaded.sizes, { causal: isCausal, windowOf: (layer) => configuredWindow(loaded.source.config, layer) });
  if (!evaluation.model) return evaluation.resolve({}, probe);
  const part = new OnnxGraph(evaluation.model);
  const wanted = modelInputs(part);
  const feeds = (batch: Batch): Tensors => {
    const cutFeeds = evaluation.cutFeeds(batch);
    const own = modelFeeds(wanted.filter(({ name }) => !Object.hasOwn(cutFeeds, name)), loaded.sizes, batch, 1);
    return { ...own, ...Object.fromEntries(Object.entries(cutFeeds).filter(([name]) => part.inputs.has(name))) };
  };
  return inSession(runner, { model: { bytes: encodeModel(evaluation.model), folder: loaded.folder } }, 'evaluating masks and scales', async (session) => {
    let sites = evaluation.resolve(await session.run(feeds(probe)), probe);
    for (const batch of batches) sites = evaluation.verify(sites, await session.run(feeds(batch)), batch);
    return sites;
  });
}

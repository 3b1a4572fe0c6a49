import { planEvaluation, type ResolvedSite } from '../attention/evaluate.js';
import { maskProbeBatch } from '../batch/index.js';
import { modelInputs } from '../onnx/inputs.js';
import { OnnxGraph } from '../onnx/graph.js';
import { encodeModel } from '../onnx/read.js';
import type { Runner } from '../runners/types.js';
import type { Tensors } from '../types.js';
import { modelFeeds } from './feeds.js';
import type { LoadedModel } from './load.js';

/** Shortest mask that shows causality and padding plainly. */
const SHORTEST_PROBE = 12;

/**
 * Finds what every site's scale and mask come to, by running the part of the graph that computes them. No weight
 * takes part.
 *
 * @throws AttnDiffError site-not-recognised, graph-not-supported, execution-failed
 */
export async function resolveSites(loaded: LoadedModel, runner: Runner): Promise<ResolvedSite[]> {
  const { slidingWindow } = loaded.source.config;
  const probe = maskProbeBatch(Math.max(SHORTEST_PROBE, (slidingWindow ?? 0) + 4));
  const evaluation = planEvaluation(loaded.graph, loaded.sites, loaded.sizes);
  if (!evaluation.model) return evaluation.resolve({}, probe);
  const part = new OnnxGraph(evaluation.model);
  const wanted = modelInputs(part);
  const cutFeeds = evaluation.cutFeeds(probe);
  const own = wanted.filter(({ name }) => !Object.hasOwn(cutFeeds, name));
  const feeds: Tensors = { ...modelFeeds(own, probe, 1), ...Object.fromEntries(Object.entries(cutFeeds).filter(([name]) => part.inputs.has(name))) };
  const session = await runner.open({ model: { bytes: encodeModel(evaluation.model), folder: loaded.folder } }, 'evaluating masks and scales');
  try {
    return evaluation.resolve(await session.run(feeds), probe);
  } finally {
    await session.close();
  }
}

import type { ResolvedSite } from '../attention/evaluate.js';
import { compareWithConfig, type Comparison } from '../attention/asConfigured/index.js';
import { sharedWeights, type WeightDigests } from '../attention/asConfigured/sharedWeights.js';
import { planMeasurement, type Job, type Plan } from '../attention/asConfigured/plan.js';
import { measurementBatch } from '../attention/asConfigured/probeRows.js';
import { isError } from '../errors.js';
import { OnnxGraph } from '../onnx/graph.js';
import type { Runner } from '../runners/types.js';
import { failureOf } from './failure.js';
import { modelFeeds } from './feeds.js';
import type { LoadedModel } from './load.js';
import { runOnce } from './once.js';
import { weightDigests } from './weightDigests.js';

/**
 * Compares each layer of a graph with config.json and with the other layers, by running what lies between the
 * projections and the attention on probes. No projection's weight takes part.
 *
 * @throws AttnDiffError runner-crashed, timed-out
 */
export async function compareGraphWithConfig(
  loaded: LoadedModel,
  sites: readonly ResolvedSite[],
  runner: Runner,
): Promise<Comparison> {
  const { config } = loaded.source;
  const { jobs, layers, weights } = planMeasurement(loaded.graph, sites, loaded.sizes, {
    layerTypes: config.layerTypes,
    isHalf: loaded.widened,
  });
  for (const job of jobs) await measure(job, loaded, runner);
  const { findings, checked } = compareWithConfig(layers, config.attention);
  const digests = await digestsOf(loaded, weights);
  for (const [layer, own] of digests)
    if (digests.size > 1 && Object.values(own).filter((digest) => digest !== null).length > 1)
      checked.get(layer)?.push('weights');
  return { findings: [...findings, ...sharedWeights(digests)], checked };
}

async function digestsOf(
  { graph, folder }: LoadedModel,
  weights: Plan['weights'],
): Promise<Map<number, WeightDigests>> {
  const names = new Set(
    [...weights.values()].flatMap((own) => Object.values(own)).filter((name) => name !== null),
  );
  const digests = await weightDigests(
    new Map(
      [...names].flatMap((name) =>
        graph.initializers.has(name) ? [[name, graph.initializers.get(name)!] as const] : [],
      ),
    ),
    folder,
  );
  return new Map(
    [...weights].map(([layer, own]) => [
      layer,
      Object.fromEntries(
        Object.entries(own).map(([part, name]) => [
          part,
          (name !== null && digests.get(name)) || null,
        ]),
      ) as WeightDigests,
    ]),
  );
}

/** Runs a part; one that ONNX Runtime refuses is tried layer by layer, and what it refuses then stays unmeasured. */
async function measure(job: Job, loaded: LoadedModel, runner: Runner): Promise<void> {
  try {
    const part = new OnnxGraph(job.model);
    const wanted = loaded.inputs.filter(
      ({ name }) => part.inputs.has(name) && !Object.hasOwn(job.feeds, name),
    );
    const feeds = { ...modelFeeds(wanted, loaded.sizes, measurementBatch(), 1), ...job.feeds };
    job.read(
      await runOnce(
        runner,
        job.model,
        feeds,
        'comparing the graph with config.json',
        loaded.folder,
      ),
    );
  } catch (error) {
    if (!isError(error, 'graph-not-supported') && failureOf(error, null)?.kind !== 'error')
      throw error;
    for (const piece of job.pieces()) await measure(piece, loaded, runner);
  }
}

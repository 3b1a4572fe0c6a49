import type { ResolvedSite } from '../../src/attention/evaluate.js';
import { rebuild, type RebuildOptions } from '../../src/attention/rebuild.js';
import { buildBatch } from '../../src/batch/index.js';
import { randomSequences } from '../../src/batch/random.js';
import { parseRunOptions, type RawRunOptions } from '../../src/config/index.js';
import { aggregate, findings, withRatios } from '../../src/metrics/index.js';
import { encodeModel } from '../../src/onnx/read.js';
import { withBaselines } from '../../src/pipeline/baselines.js';
import { explainDivergences } from '../../src/pipeline/explain.js';
import { lookAgain } from '../../src/pipeline/lookAgain.js';
import { diffFeeds } from '../../src/pipeline/feeds.js';
import { loadModel, type LoadedModel } from '../../src/pipeline/load.js';
import { batchForm } from '../../src/pipeline/runGraph.js';
import { roundingLimits } from '../../src/pipeline/precision.js';
import { resolveSites } from '../../src/pipeline/resolve.js';
import { readProbes } from '../../src/pipeline/stats.js';
import { inProcessRunner, inProcessRunners } from '../../src/runners/inProcess.js';
import type { Batch, Explanation, Finding, PaddingSide, Row } from '../../src/types.js';
import { fixture } from './fixtures.js';

interface Wanted {
  options: RawRunOptions;
  batch: Batch;
  plant?: RebuildOptions['plant'];
  allLayers?: boolean;
  /** Changes every site before it is rebuilt. */
  change?: (site: ResolvedSite) => ResolvedSite;
}

export interface Explained {
  rows: Row[];
  /** After the second pass. */
  findings: Finding[];
  explanations: Explanation[];
}

const runner = inProcessRunner();
const known = new Map<string, Promise<{ loaded: LoadedModel; sites: ResolvedSite[] }>>();

function opened(name: string): Promise<{ loaded: LoadedModel; sites: ResolvedSite[] }> {
  const open = async (): Promise<{ loaded: LoadedModel; sites: ResolvedSite[] }> => {
    const loaded = await loadModel(fixture(name));
    return { loaded, sites: await resolveSites(loaded, runner) };
  };
  const found = known.get(name) ?? open();
  known.set(name, found);
  return found;
}

/** Runs a fixture on one batch, with a fault planted if asked for, and explains where its implementations part. */
export async function explained(
  name: string,
  { options, batch, plant, allLayers = false, change = (site) => site }: Wanted,
): Promise<Explained> {
  const config = parseRunOptions({ model: fixture(name), ...options });
  const { loaded, sites: resolved } = await opened(name);
  const sites = resolved.map(change);
  const plan = withBaselines(config.implementations, config.precision);
  const diff = rebuild({
    graph: loaded.graph,
    sites,
    sizes: loaded.sizes,
    ...batchForm([batch]),
    streams: plan.streams,
    reference: config.reference,
    truth: plan.truth,
    precision: config.precision,
    ...(plant && { plant }),
  });
  const session = await runner.open(
    { model: { bytes: encodeModel(diff.model), folder: loaded.folder } },
    'test',
  );
  const outputs = await session.run(diffFeeds(loaded.inputs, loaded.sizes, diff, batch));
  await session.close();
  const rows = withRatios(
    aggregate(readProbes(diff, outputs, batch, 0, loaded.sizes), [batch]),
    plan.baselines,
  );
  const infos = config.implementations.map(({ label, settings }) => ({
    name: label,
    precision: settings.precision,
  }));
  const limits = roundingLimits('fp32', infos, config.implementations, config.reference);
  const seen = findings(
    rows,
    [batch],
    infos.map(({ name: label }) => label),
    config.reference,
    limits,
  );
  return {
    rows,
    ...(await explainDivergences(
      { findings: seen, rows },
      lookAgain(
        {
          config,
          loaded,
          sites,
          batches: [batch],
          runners: inProcessRunners(),
          ...(plant && { plant }),
        },
        { allLayers },
      ),
    )),
  };
}

/** Rows of random tokens of these lengths. */
export function randomBatch(
  lengths: readonly number[],
  padding: PaddingSide,
  vocabSize = 256,
): Batch {
  const sequences = lengths.map(
    (length, row) => randomSequences({ batch: 1, length, seed: 7 + row, vocabSize })[0]!,
  );
  return buildBatch({
    sequences,
    padding,
    padTokenId: 0,
    length: null,
    source: 'random',
    name: padding,
  });
}

import { rebuild } from '../attention/rebuild.js';
import { assembleBatches, rebuildProbeBatch } from '../batch/index.js';
import type { RunConfig } from '../config/index.js';
import { AttnDiffError } from '../errors.js';
import { judge } from '../gate/index.js';
import { aggregate, findings } from '../metrics/index.js';
import { loadTokenizer, type HubOptions } from '../model/index.js';
import { encodeModel } from '../onnx/read.js';
import type { Runner, Session } from '../runners/types.js';
import { REPORT_SCHEMA, type Batch, type DiffReport, type ImplementationInfo, type TokenStats } from '../types.js';
import { describeBatch, describeEnvironment, describeModel } from './describe.js';
import { diffFeeds } from './feeds.js';
import { obstacle } from './buildable.js';
import { kernelFindings, nameFlashKernel } from './flashKernel.js';
import { kernelsOf } from './kernels.js';
import { loadModel, type LoadedModel } from './load.js';
import { checkRebuild } from './rebuildCheck.js';
import { resolveSites } from './resolve.js';
import { originalPrecision, roundingLimits } from './precision.js';
import { readProbes } from './stats.js';

/** What the run is doing, for a progress bar. */
export interface Progress {
  stage: string;
  done: number;
  total: number;
}

/** A run with everything checked that can be checked without executing the model. */
export interface PreparedRun {
  config: RunConfig;
  loaded: LoadedModel;
  batches: Batch[];
}

/**
 * Reads the model and the prompts and checks them.
 *
 * @throws AttnDiffError codes of exit 2 and 3
 */
export async function prepareRun(config: RunConfig, hub: HubOptions = {}): Promise<PreparedRun> {
  const loaded = await loadModel(config.model, { dtype: config.dtype, hub });
  for (const { name } of config.implementations) {
    const problem = obstacle(loaded, name);
    if (problem !== null) throw new AttnDiffError('not-buildable', { implementation: name, problem });
  }
  const tokenizer = config.prompts.kind === 'random' ? null : await loadTokenizer(loaded.source);
  return { config, loaded, batches: await assembleBatches(config, tokenizer, loaded.source.config) };
}

/**
 * Runs every batch through every stream and aggregates what the probes saw.
 *
 * @throws AttnDiffError site-not-recognised, rebuild-differs (exit 3), execution-failed, runner-crashed (exit 4)
 */
export async function runDiff({ config, loaded, batches }: PreparedRun, runner: Runner, onProgress: (progress: Progress) => void = () => undefined): Promise<DiffReport> {
  const started = performance.now();
  const total = batches.length + 3;
  onProgress({ stage: 'evaluating masks and scales', done: 0, total });
  const sites = await resolveSites(loaded, runner, batches);
  onProgress({ stage: 'checking the rebuilt graph', done: 1, total });
  const check = await checkRebuild(loaded, sites, runner);

  const { graph, sizes, inputs, folder } = loaded;
  const diff = rebuild({ graph, sites, sizes, streams: config.implementations, reference: config.reference, maskFill: config.maskFill });
  const execute = async (session: Session, batch: Batch): ReturnType<Session['run']> =>
    session.run(diffFeeds(inputs, sizes, diff, batch));

  onProgress({ stage: 'loading the rebuilt graph', done: 2, total });
  const session = await runner.open({ model: { bytes: encodeModel(diff.model), folder }, profile: true }, 'running the batches');
  let implementations: ImplementationInfo[];
  const stats: TokenStats[] = [];
  const loadedAt = performance.now();
  let probedAt: number;
  try {
    await execute(session, rebuildProbeBatch(sizes.vocabSize));
    implementations = await nameFlashKernel(kernelsOf(diff.streams, sites, await session.executed(), originalPrecision(graph, sites)), diff.streams, sizes, runner);
    probedAt = performance.now();
    for (const [i, batch] of batches.entries()) {
      onProgress({ stage: `batch ${batch.name}`, done: 3 + i, total });
      stats.push(...readProbes(diff, await execute(session, batch), batch, i, sizes));
    }
  } finally {
    await session.close();
  }
  onProgress({ stage: 'done', done: total, total });

  const rows = aggregate(stats, batches);
  const model = describeModel(loaded);
  return {
    schema: REPORT_SCHEMA,
    model,
    environment: describeEnvironment(),
    batches: batches.map(describeBatch),
    implementations,
    reference: config.reference,
    rebuild: check,
    rows,
    findings: [...kernelFindings(implementations), ...findings(rows, batches, implementations.map(({ name }) => name), config.reference, roundingLimits(model.precision, implementations, config.reference))],
    verdict: judge(rows, config.gate, config.reference),
    timing: { loadSeconds: (loadedAt - started) / 1000, runSeconds: (performance.now() - probedAt) / 1000 },
  };
}

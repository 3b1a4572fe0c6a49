import { hasBfloat16 } from '../attention/kernels.js';
import { settingsText } from '../attention/settings.js';
import { weakenedBudgets } from '../gate/index.js';
import { worstMaps } from '../metrics/index.js';
import type { Runners } from '../runners/types.js';
import {
  REPORT_SCHEMA,
  type DiffReport,
  type Failure,
  type Finding,
  type ImplementationInfo,
  type Precision,
  type Repro,
  type Stream,
} from '../types.js';
import { compareGraphWithConfig } from './asConfigured.js';
import { checkWindows } from './buildable.js';
import { conclude } from './conclude.js';
import { describeBatch, describeModel } from './describe.js';
import { failed } from './evidence.js';
import { fileFindings } from './fileFindings.js';
import { unlessFailing } from './failure.js';
import { inputNotes } from './inputNotes.js';
import { fileJudgement, planFile, standIns } from './fileJudge.js';
import { lookAgain } from './lookAgain.js';
import { describeEnvironment } from './machine.js';
import { openMeasurement, type BatchResult } from './measure.js';
import { modelDigest } from './modelDigest.js';
import { roundingLimits } from './precision.js';
import type { PreparedRun } from './prepare.js';
import { makeRepro } from './repro.js';
import { checkRebuild } from './rebuildCheck.js';
import { recorded } from './recordedLook.js';
import { resolveSites } from './resolve.js';
import { runSites } from './runGraph.js';

/** What the run is doing, for a progress bar. */
export interface Progress {
  stage: string;
  done: number;
  total: number;
}

/** What the caller of a run may want to hear. */
export interface RunHooks {
  onProgress?: (progress: Progress) => void;
  /** Whether to explain every layer that parts, rather than the first of each implementation. */
  explainAllLayers?: boolean;
  /** Results of the first batches, from an earlier run. */
  done?: readonly BatchResult[];
  /** Told of each batch's result, and how many there are by then. */
  onResult?: (result: BatchResult, done: number) => void;
  /** Given a reproduction of the gravest divergence, where there is one; none is made without. */
  onRepro?: (repro: Repro | null) => void;
  /** Ends the reading of the model's file; who stops the runners ends the rest. */
  signal?: AbortSignal | undefined;
}

/**
 * Runs every batch through every stream and aggregates what the probes saw.
 *
 * @throws AttnDiffError not-buildable, site-not-recognised, rebuild-differs (exit 3), execution-failed, runner-crashed, timed-out (exit 4)
 */
export async function runDiff(
  { config, leftOut, loaded, batches, shard, plant }: PreparedRun,
  runners: Runners,
  {
    onProgress = () => undefined,
    explainAllLayers = false,
    done = [],
    onResult = () => undefined,
    onRepro,
    signal,
  }: RunHooks = {},
): Promise<DiffReport> {
  const started = performance.now();
  // Gigabytes are read while the model runs elsewhere; what fails is thrown where it is waited for.
  const digest = modelDigest(loaded, signal);
  digest.catch(() => undefined);
  const total = batches.length + 4;
  const runner = runners.at({ timeout: config.timeout });
  onProgress({ stage: 'evaluating masks and scales', done: 0, total });
  const sites = await resolveSites(
    loaded,
    runner,
    batches.filter(({ mask, documents }) => mask === null && documents === null),
  );
  checkWindows(config.implementations, sites);
  const { findings: deviations } = await compareGraphWithConfig(loaded, sites, runner);
  onProgress({ stage: 'checking the rebuilt graph', done: 1, total });
  const { check, identical } = await checkRebuild(
    loaded,
    sites,
    () => runners.at({ timeout: config.timeout }),
    standIns(config),
  );
  const filePlan = planFile(config, loaded, batches, identical);

  onProgress({ stage: 'loading the rebuilt graph', done: 2, total });
  const measurement = await openMeasurement(config, loaded, sites, batches, runners, {
    file: filePlan,
    plant,
  });
  const loadedAt = performance.now();
  const results = withWorstMaps(done);
  let implementations: ImplementationInfo[];
  try {
    for (const batch of batches.slice(done.length)) {
      onProgress({ stage: `batch ${batch.name}`, done: 3 + results.length, total });
      const result = await measurement.run(batch);
      onResult(result, results.length + 1);
      results.splice(0, Infinity, ...withWorstMaps([...results, result]));
    }
    implementations = withFailures(await measurement.implementations(), done);
  } finally {
    await measurement.close();
  }

  const fileFailure = measurement.fileFailure() ?? failuresOf(done).get(filePlan.label) ?? null;
  const file = fileJudgement(
    filePlan,
    batches.map(({ name }, i) => ({ name, rows: results[i]!.file })),
    fileFailure,
  );
  const rows = results.flatMap((result) => result.rows);
  const effects = results.flatMap((result) => result.effects);
  const model = describeModel(loaded);
  const { reference } = config;
  const limits = roundingLimits(
    (label) =>
      config.activations ??
      precisionBetween(label, loaded, config.implementations) ??
      model.precision,
    implementations,
    config.implementations,
    reference,
  );
  const told = implementations.map((info, i) => ({
    ...info,
    settings: settingsText(config.implementations[i]!),
    rounding: limits(info.name),
  }));
  const ofFile = [
    ...fileFindings(loaded, sites),
    ...deviations,
    ...leftOut.map((each): Finding => ({ code: 'left-out', ...each })),
  ];
  onProgress({ stage: 'looking for causes', done: total - 1, total });
  const context = {
    config,
    loaded,
    sites: runSites(loaded, sites, config),
    batches,
    runners,
    ...(plant && { plant }),
  };
  const { look, answers } = recorded(lookAgain(context, { allLayers: explainAllLayers }));
  const concluded = await conclude(
    {
      rows,
      effects,
      batches,
      implementations: told,
      reference,
      precision: config.precision,
      ofFile,
      file,
      constant: check.constant,
    },
    { gate: config.gate, look, isPart: shard !== null },
  );
  onRepro?.(await unlessFailing(() => makeRepro(concluded.findings, context), null));
  onProgress({ stage: 'done', done: total, total });

  return {
    schema: REPORT_SCHEMA,
    command: config.command,
    configFile: config.configFile,
    configuration: config.configuration && {
      ...config.configuration,
      weakens: [
        ...config.configuration.weakens,
        ...weakenedBudgets(config.gate.budgets, {
          implementations: told,
          reference,
          precision: config.precision,
        }),
      ],
    },
    model: { ...model, sha256: await digest, activations: config.activations },
    environment: await describeEnvironment(
      config.implementations.map(({ settings }) => settings.provider),
    ),
    batches: batches.map(describeBatch),
    implementations: told,
    reference,
    precision: config.precision,
    rebuild: check,
    file,
    inputNotes: inputNotes(loaded),
    outputs: loaded.outputs,
    logits: measurement.logits,
    rows,
    effects,
    ranges: results.flatMap((result) => result.ranges),
    maps: results.flatMap(({ map }) => map ?? []),
    ...concluded,
    baseline: null,
    shard: shard && { ...shard, gate: config.gate, answers },
    timing: {
      loadSeconds: (loadedAt - started) / 1000,
      runSeconds: (performance.now() - loadedAt) / 1000,
    },
  };
}

/** Results of which the batches that part most alone keep their maps, so that memory does not grow with the batches. */
function withWorstMaps(results: readonly BatchResult[]): BatchResult[] {
  const kept = new Set(
    worstMaps(
      results.flatMap(({ map }) => map ?? []),
      results.flatMap(({ map, rows }) => (map ? rows : [])),
    ),
  );
  return results.map((result) =>
    result.map === null || kept.has(result.map) ? result : { ...result, map: null },
  );
}

function failuresOf(done: readonly BatchResult[]): Map<string, Failure> {
  return new Map(
    done
      .flatMap((result) => result.failures)
      .map(({ implementation, failure }) => [implementation, failure]),
  );
}

/** An implementation that failed in an earlier part of a run has not run to its end, whatever it does in this one. */
function withFailures(
  infos: readonly ImplementationInfo[],
  done: readonly BatchResult[],
): ImplementationInfo[] {
  const failures = failuresOf(done);
  return infos.map((info) => {
    const failure = failures.get(info.name);
    return failure && !info.failure ? failed(info, failure) : info;
  });
}

/** bfloat16 where a stream's provider runs a bfloat16 file as it is; null where it runs what the report says of the model. */
function precisionBetween(
  label: string,
  { narrow }: PreparedRun['loaded'],
  streams: readonly Stream[],
): Precision | null {
  const stream = streams.find((candidate) => candidate.label === label);
  return narrow !== null && stream && hasBfloat16(stream.settings.provider) ? 'bf16' : null;
}

import type { ResolvedSite } from '../attention/evaluate.js';
import { logitsOutput, rebuild, type DiffGraph, type RebuildOptions } from '../attention/rebuild.js';
import { rebuildProbeBatch } from '../batch/index.js';
import type { RunConfig } from '../config/index.js';
import { aggregate, effectRows, withRatios } from '../metrics/index.js';
import { OnnxGraph } from '../onnx/graph.js';
import { encodeModel } from '../onnx/read.js';
import { copyModel } from '../onnx/rewrite.js';
import { HALF_TYPES } from '../onnx/half.js';
import { roundActivations } from '../onnx/roundActivations.js';
import type { Runner, Session } from '../runners/types.js';
import type { Batch, EffectRow, ImplementationInfo, RangeRow, Row } from '../types.js';
import { withBaselines, type StreamPlan } from './baselines.js';
import { diffFeeds } from './feeds.js';
import { nameFlashKernel } from './flashKernel.js';
import { openHead, type HeadPass } from './headPass.js';
import { kernelsOf } from './kernels.js';
import type { LoadedModel } from './load.js';
import { originalPrecision } from './precision.js';
import { readRanges } from './ranges.js';
import { readProbes } from './stats.js';

/** What one batch gave. */
export interface BatchResult {
  rows: Row[];
  effects: EffectRow[];
  ranges: RangeRow[];
}

/** A model ready to measure batches. */
export interface Measurement {
  implementations: ImplementationInfo[];
  run(batch: Batch): Promise<BatchResult>;
  close(): Promise<void>;
}

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
 * Opens the rebuilt model and its language-model head, and names the kernels that run.
 *
 * @param plant a fault, to see that it is found
 * @throws AttnDiffError execution-failed, runner-crashed
 */
export async function openMeasurement(config: RunConfig, loaded: LoadedModel, sites: readonly ResolvedSite[], batches: readonly Batch[], runner: Runner, plant?: RebuildOptions['plant']): Promise<Measurement> {
  const { sizes, inputs, folder } = loaded;
  const graph = runGraph(loaded, config);
  const plan = withBaselines(config.implementations, config.precision);
  const head = openHead({ graph, logits: logitsOutput(graph), streams: plan.streams, reference: config.reference, truth: plan.truth, vocabSize: sizes.vocabSize, folder });
  const diff = rebuild({ graph: head.graph, sites, sizes, ...batchForm(batches), streams: plan.streams, reference: config.reference, truth: plan.truth, precision: config.precision, keep: [head.cut], ranges: true, ...(plant && { plant }) });
  const session = await runner.open({ model: { bytes: encodeModel(diff.model), folder }, profile: true }, 'running the batches');
  try {
    const pass = await head.open(runner);
    const probe = probeFor(batches, sizes.vocabSize);
    await session.run(diffFeeds(inputs, sizes, diff, probe));
    const kernels = kernelsOf(diff.streams, sites, await session.executed(), originalPrecision(graph, sites));
    const implementations = await nameFlashKernel(kernels.filter(({ name }) => shows(plan, name)), diff.streams, sizes, runner);
    return {
      implementations,
      run: (batch) => measure(batch, { diff, plan, session, pass, loaded, config }),
      close: async () => {
        await pass.close();
        await session.close();
      },
    };
  } catch (error) {
    await session.close();
    throw error;
  }
}

interface Opened {
  diff: DiffGraph;
  plan: StreamPlan;
  session: Session;
  pass: HeadPass;
  loaded: LoadedModel;
  config: RunConfig;
}

async function measure(batch: Batch, { diff, plan, session, pass, loaded: { inputs, sizes }, config }: Opened): Promise<BatchResult> {
  const outputs = await session.run(diffFeeds(inputs, sizes, diff, batch));
  const logits = await pass.run(outputs[pass.cut]!, batch, 0);
  const rows = withRatios(aggregate([...readProbes(diff, outputs, batch, 0, sizes), ...logits.stats], [batch]), plan.baselines);
  const isShown = ({ implementation }: { implementation: string }): boolean => shows(plan, implementation);
  return {
    rows: rows.filter(isShown),
    effects: effectRows(logits.effects.filter(isShown), [batch], config.reference),
    ranges: readRanges(diff, outputs, batch).filter(({ head }) => config.heads || head === null),
  };
}

/** Whether a label is that of a stream that was asked for. */
function shows({ streams }: StreamPlan, name: string): boolean {
  return streams.some(({ label, hidden }) => label === name && !hidden);
}

/** What the batches of a run have in common, as rebuilding needs it. */
export function batchForm(batches: readonly Batch[]): Pick<Parameters<typeof rebuild>[0], 'decoding' | 'ownMask'> {
  const first = batches[0];
  if (!first) return {};
  return {
    decoding: first.past === 0 ? null : { past: first.past, steps: first.length - first.past },
    ownMask: first.mask === null ? null : first.mask.additive === null ? 'boolean' : 'additive',
  };
}

/** A short batch to see the kernels on; where the run's batches have a fixed form, one of them. */
function probeFor(batches: readonly Batch[], vocabSize: number): Batch {
  const first = batches[0];
  return first && (first.mask !== null || first.past > 0) ? first : rebuildProbeBatch(vocabSize);
}

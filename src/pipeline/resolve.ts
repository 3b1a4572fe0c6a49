import { planEvaluation, type Evaluation, type ResolvedSite } from '../attention/evaluate.js';
import { refused, type MaskEncoding, type ModelInput } from '../attention/inputRoles.js';
import { maskProbeBatch } from '../batch/index.js';
import { isError } from '../errors.js';
import { OnnxGraph } from '../onnx/graph.js';
import { configuredWindow } from '../metrics/index.js';
import { encodeModel } from '../onnx/read.js';
import { DataType } from '../onnx/types.js';
import type { Runner, Session } from '../runners/types.js';
import type { Batch, Tensors } from '../types.js';
import { onLifted } from './fixedBatch.js';
import type { LoadedModel } from './load.js';
import { inSession } from './once.js';
import { modelFeeds } from './tokenFeeds.js';

/** Shortest mask that shows causality and padding plainly. */
const SHORTEST_PROBE = 12;
/** The shortest row that can show a padded token, one before it and one behind. */
const FEWEST_TOKENS = 3;

/**
 * Finds what every site's scale and mask come to, by running the part of the graph that computes them, and holds
 * the masks of every batch of the run against that. A mask that is not what config.json asks for is noted at its site.
 * Where the type of a mask input leaves open what its values mean, the meaning is taken that makes the masks right; the
 * model's inputs then say so. No weight takes part.
 *
 * @throws AttnDiffError site-not-recognised, graph-not-supported, input-not-supported, execution-failed
 */
export async function resolveSites(
  loaded: LoadedModel,
  runner: Runner,
  batches: readonly Batch[] = [],
): Promise<ResolvedSite[]> {
  return onLifted(loaded.fixed, async () =>
    withUnseenWindows(await resolved(loaded, runner, batches), loaded),
  );
}

async function resolved(
  loaded: LoadedModel,
  runner: Runner,
  batches: readonly Batch[],
): Promise<ResolvedSite[]> {
  const {
    fixed,
    source: { config },
  } = loaded;
  if (fixed.length !== null && fixed.length < FEWEST_TOKENS)
    throw refused(
      fixed.input!,
      `it fixes rows to ${fixed.length} ${fixed.length === 1 ? 'token' : 'tokens'}, as for decoding step by step`,
      'dynamic',
    );
  const probe = maskProbeBatch(
    fixed.length ?? Math.max(SHORTEST_PROBE, (config.slidingWindow ?? 0) + 4),
  );
  const evaluation = planEvaluation(loaded.graph, loaded.sites, loaded.sizes, {
    causal: config.isCausal,
    takesMask: loaded.takesMask,
    windowOf: (layer) => configuredWindow(config, layer),
  });
  if (!evaluation.model) return evaluation.resolve({}, probe);
  const part = new OnnxGraph(evaluation.model);
  const feeds = (batch: Batch): Tensors => {
    const cutFeeds = evaluation.cutFeeds(batch);
    const own = modelFeeds(
      loaded.inputs.filter(({ name }) => part.inputs.has(name) && !Object.hasOwn(cutFeeds, name)),
      loaded.sizes,
      batch,
      1,
    );
    return {
      ...own,
      ...Object.fromEntries(Object.entries(cutFeeds).filter(([name]) => part.inputs.has(name))),
    };
  };
  return inSession(
    runner,
    { model: { bytes: encodeModel(evaluation.model), folder: loaded.folder } },
    'evaluating masks and scales',
    async (session) => {
      let sites = await withEncodings(loaded, evaluation, session, probe, feeds);
      for (const batch of batches)
        sites = evaluation.verify(sites, await session.run(feeds(batch)), batch);
      return sites;
    },
  );
}

/** What the values of a mask input may mean, the usual first. */
function encodingsOf({ role, type }: ModelInput): MaskEncoding[] {
  const isFloat = type === DataType.FLOAT || type === DataType.FLOAT16 || type === DataType.DOUBLE;
  if (role === 'mask') return isFloat ? ['keep', 'additive', 'drop'] : ['keep'];
  if (role === 'mask-4d') return isFloat ? ['additive', 'keep', 'drop'] : ['keep', 'drop'];
  return ['keep'];
}

/** The sites under the first meaning of the mask inputs that makes every mask right; under the usual one where none does. */
async function withEncodings(
  { inputs, fileInputs }: LoadedModel,
  evaluation: Evaluation,
  session: Session,
  probe: Batch,
  feeds: (batch: Batch) => Tensors,
): Promise<ResolvedSite[]> {
  const most = inputs.reduce((count, input) => Math.max(count, encodingsOf(input).length), 1);
  const take = (choice: number): void => {
    for (const input of [...inputs, ...fileInputs])
      input.encoding = encodingsOf(input)[choice] ?? encodingsOf(input)[0]!;
  };
  for (let choice = 0; choice < most; choice++) {
    take(choice);
    try {
      const sites = evaluation.resolve(await session.run(feeds(probe)), probe);
      if (sites.every(({ maskFaults }) => maskFaults.length === 0)) return sites;
    } catch (error) {
      if (most === 1 || !isError(error, 'site-not-recognised')) throw error;
    }
  }
  take(0);
  return evaluation.resolve(await session.run(feeds(probe)), probe);
}

/** A window at least as long as the rows that a file fixes leaves no trace in its masks: it is as config.json says. */
function withUnseenWindows(
  sites: ResolvedSite[],
  { fixed: { length }, source: { config } }: LoadedModel,
): ResolvedSite[] {
  if (length === null) return sites;
  return sites.map((site) => {
    const window = configuredWindow(config, site.layer);
    const isUnseen = window !== null && window >= length && site.maskSummary.window === null;
    return isUnseen
      ? {
          ...site,
          maskSummary: { ...site.maskSummary, window },
          fileMask: { ...site.fileMask, window },
        }
      : site;
  });
}

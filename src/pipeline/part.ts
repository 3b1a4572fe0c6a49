import type { ResolvedSite } from '../attention/evaluate.js';
import type { SharedOutput } from '../attention/exchange.js';
import { rebuild, type DiffGraph, type RebuildOptions } from '../attention/rebuild.js';
import type { RunConfig } from '../config/index.js';
import { AttnDiffError } from '../errors.js';
import { contradiction } from '../metrics/index.js';
import { modelRequest } from '../runners/modelRequest.js';
import type { ExecutedNode, Runner, Session } from '../runners/types.js';
import type { Batch, ProviderName, Stream, Tensors, TokenStats } from '../types.js';
import { onRebuilt } from './failure.js';
import { diffFeeds, givenFeeds } from './feeds.js';
import { openHead, type HeadPass } from './headPass.js';
import type { LoadedModel } from './load.js';
import type { Predictions } from './logits.js';
import { batchForm, graphOn, ownHalfGraph } from './runGraph.js';
import { readProbes } from './stats.js';

/** What all parts of a run have in common. */
export interface PartContext {
  config: RunConfig;
  loaded: LoadedModel;
  sites: readonly ResolvedSite[];
  batches: readonly Batch[];
  predictions: Predictions;
  truth: string;
  /** A fault, to see that it is found. */
  plant?: RebuildOptions['plant'];
}

/** One batch through one part, before the head. */
export interface PartPass {
  outputs: Tensors;
  /** Taps before the head. */
  stats: TokenStats[];
}

/** The streams of one lane in an open session, with the head that follows. */
export interface Part {
  streams: readonly Stream[];
  diff: DiffGraph;
  runner: Runner;
  /** Null where the file has no logits. */
  head: HeadPass | null;
  /** @param home the pass of the part that has the reference, where this one has not */
  run(
    batch: Batch,
    batchIndex: number,
    home?: { diff: DiffGraph; pass: PartPass },
  ): Promise<PartPass>;
  /** The nodes that its passes executed so far; ends the profile. */
  executed(): Promise<readonly ExecutedNode[]>;
  close(): Promise<void>;
}

export interface PartOptions {
  streams: readonly Stream[];
  runner: Runner;
  /** For the part that has the reference: whether there are others, and whether the file's own nodes run there. */
  share?: { siteInputs: boolean } | null;
  /** For the others: what that part shares. */
  given?: readonly SharedOutput[] | null;
  /** Whether to leave out what only a run shows: ranges, and which kernels ran. */
  bare?: boolean;
}

/**
 * Opens the rebuilt model and its language-model head for some streams.
 *
 * @throws AttnDiffError execution-failed, runner-crashed, timed-out
 */
export async function openPart(
  { config, loaded, sites: resolved, batches, predictions: { logits }, truth, plant }: PartContext,
  { streams, runner, share = null, given = null, bare = false }: PartOptions,
): Promise<Part> {
  const { sizes, inputs, folder } = loaded;
  const { graph, sites } = graphOn(runner.provider, loaded, resolved, config);
  const { reference, precision } = config;
  const exchange = share ? 'share' : given ? 'take' : null;
  const planned =
    logits &&
    openHead({
      graph,
      logits: logits.output,
      streams,
      reference,
      truth,
      exchange,
      width: logits.width,
      folder,
    });
  const diff = rebuild({
    graph: planned?.graph ?? graph,
    sites,
    sizes,
    ...batchForm(batches),
    streams,
    reference,
    truth,
    precision,
    emulatesHalf: ownHalfGraph(loaded, config) !== null,
    keep: planned ? [planned.cut] : [],
    ranges: given === null && !bare,
    share,
    given,
    ...(plant && { plant }),
  });
  const session = await onRebuilt(() =>
    runner.open({ ...modelRequest(diff.model, folder), profile: !bare }, 'running the batches'),
  );
  const head = await openedHead().catch(async (error: unknown) => {
    await quietly(session);
    throw error;
  });
  let executed: Promise<readonly ExecutedNode[]> | undefined;
  return {
    streams,
    diff,
    runner,
    head,
    run: async (batch, batchIndex, home) => {
      const extra = home ? givenFeeds(home.diff.shared, home.pass.outputs) : {};
      const outputs = await session.run({ ...diffFeeds(inputs, sizes, diff, batch), ...extra });
      const stats = readProbes(diff, outputs, batch, batchIndex, sizes, home?.pass.stats);
      requireSound(stats, runner.provider);
      return { outputs, stats };
    },
    executed: () => (executed ??= session.executed()),
    close: async () => {
      if (head) await quietly(head);
      await quietly(session);
    },
  };

  async function openedHead(): Promise<HeadPass | null> {
    return planned && (await planned.open(runner));
  }
}

/**
 * Makes sure that the device which reduced the statistics computes at all.
 *
 * @throws AttnDiffError execution-failed
 */
function requireSound(stats: readonly TokenStats[], provider: ProviderName): void {
  const found = contradiction(stats);
  if (found === null) return;
  const { tap, layer, implementation } = found.stats;
  throw new AttnDiffError('execution-failed', {
    stage: 'running the batches',
    problem:
      `${provider} computes wrong: its statistics of ${implementation} (${tap}, layer ${layer}, ` +
      `token ${found.token}) contradict each other: ‖x − ref‖² is ${found.found}, but ` +
      `‖x‖² + ‖ref‖² − 2 x·ref is ${found.expected}`,
  });
}

/** Closes what may be gone already. */
async function quietly(closable: Pick<Session, 'close'>): Promise<void> {
  await closable.close().catch(() => undefined);
}

import type { ResolvedSite } from '../attention/evaluate.js';
import type { RebuildOptions } from '../attention/rebuild.js';
import { rebuildProbeBatch } from '../batch/index.js';
import type { RunConfig } from '../config/index.js';
import { OnnxGraph } from '../onnx/graph.js';
import { aggregate, effectRows, tokenMap, withRatios } from '../metrics/index.js';
import type { Runners } from '../runners/types.js';
import {
  PADDING_SIDES,
  type Batch,
  type EffectRow,
  type Failure,
  type ImplementationInfo,
  type LogitsInfo,
  type ProviderName,
  type RangeRow,
  type Row,
  type Stream,
  type TokenMap,
} from '../types.js';
import { withBaselines, type StreamPlan } from './baselines.js';
import { failed, implementationInfos, unseen } from './evidence.js';
import { failureOf } from './failure.js';
import { FileJudge, type FilePlan, type FileRows } from './fileJudge.js';
import { nameFlashKernel } from './flashKernel.js';
import { chunksOf, type HeadResult, type HeadRun } from './headPass.js';
import { tellInnerType } from './innerType.js';
import { laneFor, lanesOf, placeOf, type Lane } from './lanes.js';
import type { LoadedModel } from './load.js';
import { resolveLogits } from './logits.js';
import { openPart, type Part, type PartContext, type PartPass } from './part.js';
import { precisionOn, type OwnPrecision } from './precision.js';
import { readRanges } from './ranges.js';
import { graphOn } from './runGraph.js';

/** What one batch gave. */
export interface BatchResult {
  rows: Row[];
  effects: EffectRow[];
  ranges: RangeRow[];
  /** Null in a result of which it is not kept. */
  map: TokenMap | null;
  /** Implementations that ended on this batch, or on one before. */
  failures: { implementation: string; failure: Failure }[];
  /** Of the file's own nodes, where they ran beside the others, the rows with NaN or Inf; null where they did not run. */
  file: FileRows;
}

/** A model ready to measure batches. */
export interface Measurement {
  /** What loss, KL and flips are of; null where the file has no logits. */
  logits: LogitsInfo | null;
  run(batch: Batch): Promise<BatchResult>;
  /** The implementations asked for, with the kernels that ran, and how they ended. */
  implementations(): Promise<ImplementationInfo[]>;
  /** How the process ended that ran the file's own nodes beside the others; null where none failed. */
  fileFailure(): Failure | null;
  close(): Promise<void>;
}

/**
 * Opens the rebuilt model and its language-model head, in a process for each lane. A lane whose process ends, or
 * refuses, is opened again with each of its streams alone, so that one of them takes no other with it; what then fails
 * again is a row of the report. Only the reference, with what errors are measured against, must not fail.
 *
 * @param file how the file as it is gets judged
 * @param plant a fault, to see that it is found
 * @throws AttnDiffError execution-failed, runner-crashed, timed-out
 */
export async function openMeasurement(
  config: RunConfig,
  loaded: LoadedModel,
  sites: readonly ResolvedSite[],
  batches: readonly Batch[],
  runners: Runners,
  {
    file = NOTHING_BESIDES,
    plant,
  }: { file?: FilePlan; plant?: RebuildOptions['plant'] | undefined } = {},
): Promise<Measurement> {
  const { home, others } = lanesOf(config.implementations, config.reference);
  const plan = withBaselines(home.streams, config.precision, home.provider);
  const predictions = await resolveLogits(loaded, runners.at({ timeout: config.timeout }));
  const context: PartContext = {
    config,
    loaded,
    sites,
    batches,
    predictions,
    truth: plan.truth,
    ...(plant && { plant }),
  };
  const measuring = new Measuring(
    context,
    runners,
    plan,
    home,
    others,
    new FileJudge(context, file, (place) => runners.at(place)),
  );
  await measuring.openHome();
  return measuring;
}

/** The file's own nodes run beside no others. */
const NOTHING_BESIDES: FilePlan = {
  means: 'asked',
  label: 'original',
  stream: null,
  obstacle: null,
};

/** A lane with its part, which is opened when it is first needed: null until then, and again when it has failed. */
interface OpenLane {
  lane: Lane;
  part: Part | null;
  /** Whether it must have a process that no other lane has used. */
  isFresh: boolean;
}

/** A lane's head on its way through a batch. */
interface LaneHead {
  lane: OpenLane;
  run: HeadRun;
}

/** One batch through all lanes, with the rows of streams that are not shown. */
type Passed = Omit<BatchResult, 'file'> & { hidden: Row[] };

class Measuring implements Measurement {
  readonly logits: LogitsInfo | null;
  readonly #context: PartContext;
  readonly #runners: Runners;
  readonly #plan: StreamPlan;
  #home: OpenLane;
  #others: OpenLane[];
  readonly #failures = new Map<string, Failure>();
  readonly #infos = new Map<string, ImplementationInfo>();
  readonly #file: FileJudge;
  #hasRun = false;

  constructor(
    context: PartContext,
    runners: Runners,
    plan: StreamPlan,
    home: Lane,
    others: readonly Lane[],
    file: FileJudge,
  ) {
    this.#file = file;
    this.logits = context.predictions.logits;
    this.#context = context;
    this.#runners = runners;
    this.#plan = plan;
    this.#home = { lane: { ...home, streams: [...plan.streams] }, part: null, isFresh: false };
    this.#others = others.map((lane) => ({ lane, part: null, isFresh: false }));
  }

  /** Opens the lane of the reference; where that fails, once more without what can do without it. */
  async openHome(): Promise<void> {
    try {
      await this.#openedHome();
    } catch (error) {
      await this.#splitHome(error);
      await this.#openedHome();
    }
  }

  async run(batch: Batch): Promise<BatchResult> {
    this.#hasRun = true;
    const { hidden, ...result } = await this.#passed(batch);
    const file = await this.#file.rowsOf(batch, [...result.rows, ...hidden]);
    const { failure, label } = this.#file;
    return {
      ...result,
      failures: failure
        ? [...result.failures, { implementation: label, failure }]
        : result.failures,
      file,
    };
  }

  async #passed(batch: Batch): Promise<Passed> {
    try {
      return await this.#pass(batch);
    } catch (error) {
      await this.#splitHome(error);
      return await this.#pass(batch);
    }
  }

  /** One batch through every lane; what it throws has ended the lane of the reference. */
  async #pass(batch: Batch): Promise<Passed> {
    const { config } = this.#context;
    const home = await this.#openedHome();
    const pass = await home.run(batch, 0);
    if (seesAtOnce(home)) await this.#see(home);
    const tokens = await this.#context.predictions.tokensOf(batch);
    const homeHead = home.head?.begin(pass.outputs[home.head.cut]!, batch, 0, tokens) ?? null;
    const heads: LaneHead[] = [];
    const bodies: PartPass[] = [pass];
    const done = new Set<OpenLane>();
    // A lane that splits leaves the list, and its streams come to the end of it.
    for (let lane = this.#others[0]; lane; lane = this.#others.find((each) => !done.has(each))) {
      done.add(lane);
      const open = lane;
      await this.#guarded(open, batch, async () => {
        const part = await this.#opened(open, home);
        const own = await part.run(batch, 0, { diff: home.diff, pass });
        bodies.push(own);
        if (!part.head) return;
        const cut = own.outputs[part.head.cut]!;
        const rows = (cut.data.length / part.diff.slots) * part.streams.length;
        heads.push({
          lane: open,
          run: part.head.begin(
            { ...cut, dims: [], data: (cut.data as Float32Array).subarray(0, rows) },
            batch,
            0,
            tokens,
          ),
        });
      });
    }
    const logits =
      homeHead && home.head ? await this.#runHeads(homeHead, heads, home.head.perChunk, batch) : [];
    // A lane that splits as late as here has streams that this batch has not been through.
    if (this.#others.some((each) => !done.has(each))) return this.#pass(batch);
    const stats = [
      ...bodies.flatMap((body) => body.stats),
      ...logits.flatMap((each) => each.stats),
    ];
    const rows = withRatios(aggregate(stats, [batch]), this.#plan.baselines);
    const orderOf = ({ implementation }: { implementation: string }): number =>
      config.implementations.findIndex(({ label }) => label === implementation);
    const isShown = (row: { implementation: string }): boolean => orderOf(row) >= 0;
    return {
      rows: rows.filter(isShown),
      hidden: rows.filter((row) => !isShown(row)),
      effects: effectRows(
        logits.flatMap(({ effects }) => effects).filter(isShown),
        [batch],
        config.reference,
      )
        .filter(({ targets }) => tokens === null || targets > 0)
        .toSorted((a, b) => orderOf(a) - orderOf(b)),
      ranges: readRanges(home.diff, pass.outputs, batch).filter(
        ({ head }) => config.heads || head === null,
      ),
      map: tokenMap(stats.filter(isShown), batch, config.reference),
      failures: [...this.#failures].map(([implementation, failure]) => ({
        implementation,
        failure,
      })),
    };
  }

  async implementations(): Promise<ImplementationInfo[]> {
    const { config, loaded, batches } = this.#context;
    // Where every batch is from an earlier run, no node has been seen to run.
    if (!this.#hasRun) await this.#passed(probeFor(batches, loaded));
    for (const { part } of [this.#home, ...this.#others])
      if (part) await this.#see(part).catch(passOver);
    return config.implementations.map((stream) => {
      const failure = this.#failures.get(stream.label) ?? null;
      const info =
        this.#infos.get(stream.label) ??
        unseen(stream, this.#originalPrecision(stream.settings.provider));
      return failure ? failed(info, failure) : info;
    });
  }

  fileFailure(): Failure | null {
    return this.#file.failure;
  }

  async close(): Promise<void> {
    for (const { part } of [this.#home, ...this.#others]) await part?.close();
    await this.#file.close();
  }

  /** Leaves the reference, and what errors are measured against, alone in its lane. */
  async #splitHome(error: unknown): Promise<void> {
    const { lane, part } = this.#home;
    const { config } = this.#context;
    const needed = ({ label, hidden }: Stream): boolean =>
      hidden ||
      label === config.reference ||
      label === this.#plan.truth ||
      Object.values(this.#plan.baselines).includes(label);
    const apart = lane.streams.filter((stream) => !needed(stream));
    if (apart.length === 0 || !failureOf(error, null)) throw error;
    await part?.close();
    this.#home = {
      lane: { ...lane, streams: lane.streams.filter(needed) },
      part: null,
      isFresh: true,
    };
    this.#others.push(
      ...apart.map((stream) => ({ lane: laneFor(stream), part: null, isFresh: true })),
    );
  }

  async #openedHome(): Promise<Part> {
    const { lane } = this.#home;
    const hasOthers = this.#others.length > 0;
    const siteInputs = this.#others.some(({ lane: { streams } }) =>
      streams.some(({ name }) => name === 'original'),
    );
    return (this.#home.part ??= await openPart(this.#context, {
      streams: lane.streams,
      runner: this.#runnerFor(this.#home),
      share: hasOthers ? { siteInputs } : null,
    }));
  }

  async #opened(open: OpenLane, home: Part): Promise<Part> {
    return (open.part ??= await openPart(this.#context, {
      streams: open.lane.streams,
      runner: this.#runnerFor(open),
      given: home.diff.shared,
    }));
  }

  #runnerFor({ lane, isFresh }: OpenLane): ReturnType<Runners['at']> {
    const place = placeOf(lane, this.#context.config.timeout);
    return isFresh ? this.#runners.fresh(place) : this.#runners.at(place);
  }

  /** Does a lane's part of the work; a failure is kept, or leads to its streams being tried one by one. */
  async #guarded(open: OpenLane, batch: Batch, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      if (open.part && seesAtOnce(open.part)) await this.#see(open.part);
    } catch (error) {
      const failure = failureOf(error, batch.name);
      if (!failure) throw error;
      // What ran is worth knowing of one that failed too, where its process still answers.
      if (open.part && open.lane.streams.length === 1) await this.#see(open.part).catch(passOver);
      await open.part?.close();
      open.part = null;
      this.#others = this.#others.filter((other) => other !== open);
      const { streams } = open.lane;
      if (streams.length > 1)
        this.#others.push(
          ...streams.map((stream) => ({ lane: laneFor(stream), part: null, isFresh: true })),
        );
      else this.#failures.set(streams[0]!.label, failure);
    }
  }

  /** Runs all heads side by side, since the logits of the reference are only ever held for some tokens. */
  async #runHeads(
    home: HeadRun,
    others: readonly LaneHead[],
    perChunk: number,
    batch: Batch,
  ): Promise<HeadResult[]> {
    let running = others;
    for (const { from, to } of chunksOf(home.tokens, perChunk)) {
      const shared = await home.chunk(from, to);
      for (const { lane, run } of running) {
        await this.#guarded(lane, batch, async () => void (await run.chunk(from, to, shared)));
      }
      running = running.filter(({ lane }) => this.#others.includes(lane));
    }
    const atHome = home.result();
    const norms = atHome.stats.find(
      ({ implementation }) => implementation === this.#context.config.reference,
    )!.l2;
    return [atHome, ...running.map(({ run }) => run.result(norms))];
  }

  #originalPrecision(provider: ProviderName): OwnPrecision {
    const { loaded, sites, config } = this.#context;
    return precisionOn(provider, loaded, sites, config);
  }

  /** Takes down what a part's passes showed of its kernels. */
  async #see(part: Part): Promise<void> {
    const { loaded, sites, config } = this.#context;
    const shown = part.streams.filter(({ hidden, label }) => !hidden && !this.#infos.has(label));
    if (shown.length === 0) return;
    const { provider } = part.runner;
    const infos = implementationInfos(
      shown,
      graphOn(provider, loaded, sites, config).sites,
      {
        graph: new OnnxGraph(part.diff.model),
        executed: await part.executed(),
        printed: part.runner.printed(),
      },
      this.#originalPrecision(provider),
    );
    const named = await nameFlashKernel(
      infos,
      shown,
      loaded.sizes,
      part.runner,
      loaded.sites.some(({ sink }) => sink !== null),
    );
    for (const info of await tellInnerType(named, loaded.sizes, part.runner))
      this.#infos.set(info.name, info);
  }
}

/**
 * On a GPU another batch may take another kernel, so that its profile goes on to the end; the CPU's kernels are known
 * after the first, and a profile of all would cost more than it tells.
 */
function seesAtOnce({ runner }: Part): boolean {
  return runner.provider === 'cpu';
}

/** A process that ends while it is asked what ran has told nothing; what it gave stands. */
function passOver(error: unknown): void {
  if (!failureOf(error, null)) throw error;
}

/** A short batch to see the kernels on; where the run's batches have a fixed form, one of them. */
function probeFor(
  batches: readonly Batch[],
  { sizes: { vocabSize }, fixed, takesMask, source: { config } }: LoadedModel,
): Batch {
  const first = batches[0];
  return first && (first.mask !== null || first.past > 0)
    ? first
    : rebuildProbeBatch(vocabSize, takesMask ? PADDING_SIDES : [], config.isCausal, fixed.length);
}

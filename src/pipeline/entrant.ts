import type { ResolvedSite } from '../attention/evaluate.js';
import type { Runner, Session } from '../runners/types.js';
import type { Batch, ImplementationInfo, Stream, Tensors } from '../types.js';
import { benchModel } from './benchModel.js';
import { failed, implementationInfos, unseen } from './evidence.js';
import { failureOf } from './failure.js';
import { nameFlashKernel } from './flashKernel.js';
import { tellInnerType } from './innerType.js';
import type { LoadedModel } from './load.js';
import { precisionOn, type OwnPrecision } from './precision.js';

/** What one implementation gave at one length. */
export interface Entry {
  /** With its failure, where it has not been measured to the end. */
  info: ImplementationInfo;
  /** Of the passes that count. */
  seconds: number[];
  /** Most that its process held, above what it held before the model was opened. */
  peakBytes: number;
  /** What ended it; null where nothing did. */
  error: unknown;
}

/** One implementation at one length, in a process that nothing else has used. After a step that failed, the others do nothing. */
export class Entrant {
  readonly #loaded: LoadedModel;
  readonly #sites: readonly ResolvedSite[];
  readonly #stream: Stream;
  readonly #batch: Batch;
  readonly #runner: Runner;
  readonly #seconds: number[] = [];
  #open: { session: Session; feeds: Tensors; outputs: string[] } | null = null;
  #emptyBytes = 0;
  #peakBytes = 0;
  #error: unknown = null;

  constructor(
    loaded: LoadedModel,
    sites: readonly ResolvedSite[],
    stream: Stream,
    batch: Batch,
    runner: Runner,
  ) {
    this.#loaded = loaded;
    this.#sites = sites;
    this.#stream = stream;
    this.#batch = batch;
    this.#runner = runner;
  }

  async open(): Promise<void> {
    await this.#step(async () => {
      this.#emptyBytes = (await this.#runner.memory()).resident;
      const { model, feeds, outputs } = await this.#model();
      this.#open = {
        session: await this.#runner.open({ model, prepack: true }, 'timing a forward pass'),
        feeds,
        outputs,
      };
    });
  }

  /** One forward pass; the first warm up, and do not count. */
  async pass(counts: boolean): Promise<void> {
    await this.#step(async () => {
      const { session, feeds, outputs } = this.#open!;
      const milliseconds = await session.measure(feeds, outputs);
      if (counts) this.#seconds.push(milliseconds / 1000);
    });
  }

  /** What came of it; the process has ended then. */
  async finish(): Promise<Entry> {
    await this.#step(async () => {
      this.#peakBytes = (await this.#runner.memory()).peak - this.#emptyBytes;
      await this.#open!.session.close();
    });
    const failure = failureOf(this.#error, this.#batch.name);
    const info = failure ? failed(this.#unseen(), failure) : await this.#seen();
    this.stop();
    return { info, seconds: this.#seconds, peakBytes: this.#peakBytes, error: this.#error };
  }

  /** Ends its process. */
  stop(): void {
    this.#runner.stop();
  }

  async #step(work: () => Promise<void>): Promise<void> {
    if (this.#error !== null) return;
    try {
      await work();
    } catch (error) {
      if (!failureOf(error, null)) throw error;
      this.#error = error;
      // What it holds is not to slow the others.
      this.stop();
    }
  }

  #model(): ReturnType<typeof benchModel> {
    return benchModel(this.#loaded, this.#sites, this.#stream, this.#batch);
  }

  /**
   * The kernels, told by one more pass in a session that is profiled: after all others, so that it costs those neither
   * time nor memory.
   */
  async #seen(): Promise<ImplementationInfo> {
    const { sizes, sites } = this.#loaded;
    try {
      const { model, graph, feeds, outputs } = await this.#model();
      const session = await this.#runner.open(
        { model, profile: true, prepack: true },
        'seeing which kernel runs',
      );
      await session.measure(feeds, outputs);
      const executed = await session.executed();
      await session.close();
      const infos = implementationInfos(
        [this.#stream],
        this.#sites,
        { graph, executed, printed: this.#runner.printed() },
        this.#ownPrecision(),
      );
      const named = await nameFlashKernel(
        infos,
        [this.#stream],
        sizes,
        this.#runner,
        sites.some(({ sink }) => sink !== null),
      );
      return (await tellInnerType(named, sizes, this.#runner))[0]!;
    } catch (error) {
      if (!failureOf(error, null)) throw error;
      return { ...this.#unseen(), evidence: 'no profile could be taken' };
    }
  }

  #unseen(): ImplementationInfo {
    return unseen(this.#stream, this.#ownPrecision());
  }

  #ownPrecision(): OwnPrecision {
    return precisionOn(this.#stream.settings.provider, this.#loaded, this.#sites, {
      activations: null,
    });
  }
}

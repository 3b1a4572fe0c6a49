import { DEFAULT_SETTINGS } from '../attention/settings.js';
import type { RunConfig } from '../config/index.js';
import { aggregate, withRatios } from '../metrics/index.js';
import type { Runner } from '../runners/types.js';
import type { Batch, Failure, FileJudgement, FileObstacle, Row, Stream } from '../types.js';
import { withBaselines } from './baselines.js';
import { obstacle } from './buildable.js';
import { failureOf } from './failure.js';
import { lanesOf, placeOf, type Lane } from './lanes.js';
import type { LoadedModel } from './load.js';
import { openPart, type Part, type PartContext } from './part.js';

/** How the file as it is will be judged. */
export type FilePlan = Pick<FileJudgement, 'means' | 'label' | 'stream' | 'obstacle'>;

/** What the file's own nodes gave on one batch: rows with NaN or Inf; null where they did not run. */
export type FileRows = Row[] | null;

type RunOf = Pick<RunConfig, 'implementations' | 'reference' | 'precision' | 'activations'>;

/** The file's own nodes as a stream, where the reference runs. */
export function fileStream({
  implementations,
  reference,
}: Pick<RunOf, 'implementations' | 'reference'>): Stream {
  const taken = implementations.some(({ label }) => label === 'original');
  const { provider } = lanesOf(implementations, reference).home;
  return {
    label: taken ? 'original*' : 'original',
    name: 'original',
    settings: { ...DEFAULT_SETTINGS, provider },
    hidden: true,
  };
}

/** Streams of a run that may give the bits of the file's own nodes: those in float32 on the CPU's usual kernels. */
export function standIns(config: RunOf): Stream[] {
  const { home } = lanesOf(config.implementations, config.reference);
  if (config.activations !== null || home.provider !== 'cpu') return [];
  return withBaselines(home.streams, config.precision).streams.filter(
    ({ name, settings }) =>
      (name === 'eager' || name === 'sdpa' || name === 'flash') &&
      settings.precision === 'fp32' &&
      settings.kernel === null &&
      settings.deviation === null,
  );
}

/**
 * Plans how the file as it is gets judged: by its own nodes where they are asked for, else by a stream that gives the
 * same bits, else by running them besides. Where activations are rounded no stream is the file as it is.
 *
 * @param identical streams that gave the same bits on the probe, at every layer and on every kind of token
 */
export function planFile(
  config: RunOf,
  loaded: LoadedModel,
  batches: readonly Batch[],
  identical: readonly Stream[],
): FilePlan {
  const { label } = fileStream(config);
  const own = config.implementations.find(({ name }) => name === 'original');
  const plan = { label, stream: null, obstacle: null } as const;
  if (own && config.activations === null) return { ...plan, means: 'asked', label: own.label };
  const why = obstacleOf(loaded, batches);
  if (why !== null) return { ...plan, means: 'none', obstacle: why };
  const [stream] = config.activations === null ? identical : [];
  return stream ? { ...plan, means: 'stands', stream: stream.label } : { ...plan, means: 'ran' };
}

function obstacleOf(loaded: LoadedModel, [first]: readonly Batch[]): FileObstacle | null {
  if (first && first.mask !== null) return 'mask';
  if (first && first.documents !== null) return 'pack';
  if (first && first.past > 0) return 'past';
  return obstacle(loaded, 'original') === null ? null : 'ring-cache';
}

/** Runs the file's own nodes on the batches on which nothing else tells what they give. */
export class FileJudge {
  readonly #context: PartContext;
  readonly #plan: FilePlan;
  readonly #stream: Stream;
  readonly #runner: () => Runner;
  #part: Part | null = null;
  #failure: Failure | null = null;

  /** @param runnerAt the runner of a lane, which no other lane of the run has */
  constructor(
    context: PartContext,
    plan: FilePlan,
    runnerAt: (place: ReturnType<typeof placeOf>) => Runner,
  ) {
    const stream = { ...fileStream(context.config), label: plan.label };
    this.#stream = stream;
    this.#plan = plan;
    // The file as it is: nothing planted, nothing rounded.
    const { plant: _plant, ...rest } = context;
    this.#context = {
      ...rest,
      config: { ...context.config, reference: stream.label, activations: null },
      truth: stream.label,
    };
    const { home } = lanesOf(context.config.implementations, context.config.reference);
    this.#runner = () => runnerAt(placeForFile(home, context.config.timeout));
  }

  get label(): string {
    return this.#plan.label;
  }

  /** How the process ended that ran them; null while none failed. */
  get failure(): Failure | null {
    return this.#failure;
  }

  /** @param rows what the run measured of the batch, hidden streams included */
  async rowsOf(batch: Batch, rows: readonly Row[]): Promise<FileRows> {
    if (this.#failure !== null || !this.#isNeeded(rows)) return null;
    try {
      const part = (this.#part ??= await openPart(this.#context, {
        streams: [this.#stream],
        runner: this.#runner(),
        bare: true,
      }));
      const pass = await part.run(batch, 0);
      const logits = part.head
        ? (
            await part.head.run(
              pass.outputs[part.head.cut]!,
              batch,
              0,
              await this.#context.predictions.tokensOf(batch),
            )
          ).stats
        : [];
      return withRatios(aggregate([...pass.stats, ...logits], [batch]), {
        fp32: this.#stream.label,
        plain: this.#stream.label,
      }).filter(isNonFinite);
    } catch (error) {
      this.#failure = failureOf(error, batch.name);
      if (!this.#failure) throw error;
      return null;
    }
  }

  async close(): Promise<void> {
    await this.#part?.close();
  }

  #isNeeded(rows: readonly Row[]): boolean {
    const { means, stream } = this.#plan;
    if (means !== 'stands') return means === 'ran';
    const own = rows.filter((row) => row.implementation === stream && row.scope === 'accumulated');
    // A stream that failed tells nothing.
    return own.length === 0 || own.some(isNonFinite);
  }
}

function placeForFile(home: Lane, timeout: number | null): ReturnType<typeof placeOf> {
  const place = placeOf(home, timeout);
  return { ...place, group: `${place.group}/file` };
}

/** A count that is NaN itself counts too. */
function isNonFinite({ nan, inf }: Row): boolean {
  return nan + inf !== 0;
}

/** What came of it in all batches. */
export function fileJudgement(
  plan: FilePlan,
  batches: readonly { name: string; rows: FileRows }[],
  failure: Failure | null,
): FileJudgement {
  const ran = batches.flatMap(({ name, rows }) => (rows === null ? [] : [{ name, rows }]));
  return {
    ...plan,
    ...(failure && { means: 'none', obstacle: 'failed' }),
    failure,
    batches: ran.map(({ name }) => name),
    rows: ran.flatMap(({ rows }) => rows),
  };
}

/**
 * What the parts of one run judged the file by, as the whole would have: batches and rows in the order of the batches,
 * and the first failure.
 *
 * @param order names of all batches
 */
export function mergedFile(
  parts: readonly [FileJudgement, ...FileJudgement[]],
  order: readonly string[],
): FileJudgement {
  const inOrder = <T>(items: readonly T[], batchOf: (item: T) => string): T[] =>
    items.toSorted((a, b) => order.indexOf(batchOf(a)) - order.indexOf(batchOf(b)));
  const [failed] = inOrder(
    parts.filter(({ failure }) => failure !== null),
    ({ failure }) => failure!.batch ?? '',
  );
  // Where machines differ, so may the streams that give the same bits; where none does on one, the file ran there.
  const plan = failed ?? parts.find(({ means }) => means === 'ran') ?? parts[0];
  return {
    ...plan,
    batches: inOrder(
      parts.flatMap(({ batches }) => batches),
      (name) => name,
    ),
    rows: inOrder(
      parts.flatMap(({ rows }) => rows),
      ({ batch }) => batch,
    ),
  };
}

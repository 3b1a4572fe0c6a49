import { buildHead, withWideCut, type HeadExchange, type HeadModel } from '../head/build.js';
import { HEAD_ROWS } from '../head/probes.js';
import { headSplit } from '../head/split.js';
import { hasTarget } from '../metrics/index.js';
import type { OnnxGraph } from '../onnx/graph.js';
import { modelRequest } from '../runners/modelRequest.js';
import type { Runner, Session } from '../runners/types.js';
import type { Batch, Stream, TensorData, Tensors, TokenEffects, TokenStats } from '../types.js';
import { maxima, probeRow } from './stats.js';

/** Logits that one chunk of tokens may have, over all streams. */
const CHUNK_ELEMENTS = 2 ** 24;

export interface HeadOptions {
  graph: OnnxGraph;
  /** Name of the graph's logits. */
  logits: string;
  streams: readonly Stream[];
  /** Label of the stream that the others are compared with. */
  reference: string;
  /** Label of the stream that errors are measured from. */
  truth: string;
  /** Whether to give out the logits of reference and truth, or to take them from a head that does, whose streams those are. */
  exchange?: 'share' | 'take' | null;
  /** Elements of one token's logits. */
  width: number;
  /** The folder that external data is relative to. */
  folder: string;
  chunkElements?: number;
}

/** What the head makes of one batch. */
export interface HeadResult {
  stats: TokenStats[];
  effects: TokenEffects[];
}

/** Logits of the reference and the truth for some tokens, float32 [1, n, vocabulary]. */
export type SharedLogits = Record<keyof HeadExchange, TensorData>;

/** A head that is planned. */
export interface PlannedHead {
  /** The whole model, with the cut as a float32 tensor. */
  graph: OnnxGraph;
  /** The tensor that the rest of the model must return. */
  cut: string;
  open(runner: Runner): Promise<HeadPass>;
}

/** An open head. */
export interface HeadPass {
  cut: string;
  /** Tokens that one chunk may have. */
  perChunk: number;
  /**
   * Begins with a batch.
   *
   * @param hidden the cut of all streams, float32, stacked on the batch axis: [N·B, S, hidden], or the same rows flattened
   * @param batchIndex the batch's place in the run
   * @param tokens those that have logits, as places in [B·S]; null for all, padding included
   */
  begin(hidden: TensorData, batch: Batch, batchIndex: number, tokens?: Int32Array | null): HeadRun;
  /** Runs the head on the tokens of a batch, some at a time. */
  run(
    hidden: TensorData,
    batch: Batch,
    batchIndex: number,
    tokens?: Int32Array | null,
  ): Promise<HeadResult>;
  close(): Promise<void>;
}

/**
 * Plans to run the language-model head apart from the model, so that logits are only ever held for some tokens. Where
 * the graph has no head that can be cut off, the cut is the logits themselves: then the model returns them whole, and
 * only their float64 copies are kept small.
 */
export function openHead(options: HeadOptions): PlannedHead {
  const {
    graph,
    logits,
    streams,
    reference,
    truth,
    folder,
    width,
    exchange = null,
    chunkElements = CHUNK_ELEMENTS,
  } = options;
  const split = headSplit(graph, logits);
  const indexOf = (label: string): number => {
    const index = streams.findIndex((stream) => stream.label === label);
    if (index < 0) throw new Error(`no stream is called ${label}`);
    return index;
  };
  const taken = exchange === 'take';
  const head = buildHead(graph, split, {
    count: streams.length,
    reference: taken ? null : indexOf(reference),
    truth: taken ? null : indexOf(truth),
    share: exchange === 'share',
  });
  const body = withWideCut(graph, split.cut);
  const perChunk = Math.max(1, Math.floor(chunkElements / (width * streams.length)));
  return {
    ...body,
    open: async (runner) => {
      const session = await runner.open(
        modelRequest(head.model, folder),
        'running the language-model head',
      );
      const begin: HeadPass['begin'] = (hidden, batch, batchIndex, tokens = null) =>
        new HeadRun({ ...options, head, session }, hidden, batch, batchIndex, tokens);
      return {
        cut: body.cut,
        perChunk,
        begin,
        run: async (hidden, batch, batchIndex, tokens) => {
          const run = begin(hidden, batch, batchIndex, tokens);
          for (const { from, to } of chunksOf(run.tokens, perChunk)) await run.chunk(from, to);
          return run.result();
        },
        close: () => session.close(),
      };
    },
  };
}

/** So many tokens, some at a time. */
export function chunksOf(tokens: number, perChunk: number): { from: number; to: number }[] {
  return Array.from({ length: Math.ceil(tokens / perChunk) }, (_, i) => ({
    from: i * perChunk,
    to: Math.min(tokens, (i + 1) * perChunk),
  }));
}

interface OpenHead extends HeadOptions {
  head: HeadModel;
  session: Session;
}

/** One batch on its way through a head. */
export class HeadRun {
  /** How many tokens have logits. */
  readonly tokens: number;
  readonly #open: OpenHead;
  readonly #hidden: TensorData;
  readonly #batchIndex: number;
  readonly #all: number;
  /** Of those that have logits, in the order in which they enter the head, the place in [B·S]. */
  readonly #places: Int32Array | null;
  readonly #targets: BigInt64Array;
  readonly #rows: Float64Array[][];

  constructor(
    open: OpenHead,
    hidden: TensorData,
    batch: Batch,
    batchIndex: number,
    places: Int32Array | null,
  ) {
    this.#open = open;
    this.#batchIndex = batchIndex;
    this.#all = batch.size * batch.length;
    this.#places = places;
    this.tokens = places?.length ?? this.#all;
    this.#hidden =
      places === null ? hidden : rowsAt(hidden, places, open.streams.length, this.#all);
    const target = (token: number): bigint =>
      hasTarget(batch, token) ? batch.inputIds[token + 1]! : 0n;
    this.#targets = BigInt64Array.from({ length: this.tokens }, (_, i) => target(places?.[i] ?? i));
    this.#rows = open.streams.map(() => HEAD_ROWS.map(() => new Float64Array(this.tokens)));
  }

  /**
   * Runs tokens `from` to `to` of those that have logits.
   *
   * @param given the logits that another head shares, where this one takes them
   * @returns what this head shares; null where it does not
   */
  async chunk(
    from: number,
    to: number,
    given: SharedLogits | null = null,
  ): Promise<SharedLogits | null> {
    const { head, session, streams } = this.#open;
    const { exchange } = head;
    const extra: Tensors =
      exchange && given
        ? { [exchange.reference]: given.reference, [exchange.truth]: given.truth }
        : {};
    const outputs = await session.run({
      ...chunkFeeds(head, this.#hidden, this.#targets, streams.length, from, to),
      ...extra,
    });
    const values = outputs[head.output]!.data as Float64Array;
    for (const [stream, own] of this.#rows.entries()) {
      for (const [row, destination] of own.entries()) {
        destination.set(
          probeRow(values, { row, stream, streams: streams.length, tokens: to - from }),
          from,
        );
      }
    }
    return exchange && !given
      ? { reference: outputs[exchange.reference]!, truth: outputs[exchange.truth]! }
      : null;
  }

  /** @param l2Ref norms of the reference's logits, [tokens], where the reference is not among the streams */
  result(l2Ref?: Float64Array): HeadResult {
    const { streams, reference, width } = this.#open;
    const batch = this.#batchIndex;
    const records = this.#rows.map(
      (own) =>
        Object.fromEntries(HEAD_ROWS.map((name, row) => [name, this.#placed(own[row]!)])) as Record<
          (typeof HEAD_ROWS)[number],
          Float64Array
        >,
    );
    const measured =
      this.#places === null ? {} : { measured: this.#placed(new Uint8Array(this.tokens).fill(1)) };
    const norms = l2Ref ?? records[streams.findIndex(({ label }) => label === reference)]!.l2;
    return {
      stats: records.map(({ nll: _nll, kl: _kl, top1: _top1, ...values }, stream) => ({
        batch,
        tap: 'logits',
        scope: 'accumulated',
        layer: null,
        implementation: streams[stream]!.label,
        width,
        ...values,
        ...measured,
        ...maxima(values),
        l2Ref: norms,
      })),
      effects: records.map(({ nll, kl, top1, nan }, stream) => ({
        batch,
        implementation: streams[stream]!.label,
        nll,
        kl,
        top1,
        nan,
        ...measured,
      })),
    };
  }

  /** What was measured, at the places of its tokens in [B·S]. */
  #placed<T extends Float64Array | Uint8Array>(values: T): T {
    if (this.#places === null) return values;
    const placed = new (values.constructor as { new (length: number): T })(this.#all);
    this.#places.forEach((place, i) => (placed[place] = values[i]!));
    return placed;
  }
}

function chunkFeeds(
  { hidden: input, targets: targetInput, chunk }: HeadModel,
  hidden: TensorData,
  targets: BigInt64Array,
  streams: number,
  from: number,
  to: number,
): Tensors {
  const tokens = targets.length;
  const width = hidden.data.length / (streams * tokens);
  const whole: TensorData = { ...hidden, dims: [streams, tokens, width] };
  return {
    [input]: chunk === null ? tokensOf(whole, from, to) : whole,
    [targetInput]: { type: 'int64', dims: [to - from], data: targets.slice(from, to) },
    ...(chunk === null
      ? {}
      : {
          [chunk]: { type: 'int64', dims: [2], data: BigInt64Array.of(BigInt(from), BigInt(to)) },
        }),
  };
}

/** Tokens `from` to `to` of every stream of [streams, tokens, width]. */
function tokensOf({ type, dims, data }: TensorData, from: number, to: number): TensorData {
  const [streams, tokens, width] = dims as [number, number, number];
  const size = (to - from) * width;
  const part = new Float32Array(streams * size);
  for (let stream = 0; stream < streams; stream++) {
    const start = (stream * tokens + from) * width;
    part.set((data as Float32Array).subarray(start, start + size), stream * size);
  }
  return { type, dims: [streams, to - from, width], data: part };
}

/** Some rows of every stream, as [streams, rows, width]. */
function rowsAt(
  { type, data }: TensorData,
  places: Int32Array,
  streams: number,
  tokens: number,
): TensorData {
  const width = data.length / (streams * tokens);
  const rows = new Float32Array(streams * places.length * width);
  for (let stream = 0; stream < streams; stream++) {
    places.forEach((place, i) => {
      const start = (stream * tokens + place) * width;
      rows.set(
        (data as Float32Array).subarray(start, start + width),
        (stream * places.length + i) * width,
      );
    });
  }
  return { type, dims: [streams, places.length, width], data: rows };
}

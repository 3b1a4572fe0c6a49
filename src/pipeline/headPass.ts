import { buildHead, withWideCut, type HeadModel } from '../head/build.js';
import { HEAD_ROWS } from '../head/probes.js';
import { splitHead } from '../head/split.js';
import { hasTarget } from '../metrics/index.js';
import type { OnnxGraph } from '../onnx/graph.js';
import { encodeModel } from '../onnx/read.js';
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
  vocabSize: number;
  /** The folder that external data is relative to. */
  folder: string;
  chunkElements?: number;
}

/** What the head makes of one batch. */
export interface HeadResult {
  stats: TokenStats[];
  effects: TokenEffects[];
}

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
  /**
   * Runs the head on every token of a batch, padding included, some tokens at a time.
   *
   * @param hidden the cut of all streams, float32, stacked on the batch axis: [N·B, S, hidden], or the same rows flattened
   * @param batchIndex the batch's place in the run
   */
  run(hidden: TensorData, batch: Batch, batchIndex: number): Promise<HeadResult>;
  close(): Promise<void>;
}

/**
 * Plans to run the language-model head apart from the model, so that logits are only ever held for some tokens. Where
 * the graph has no head that can be cut off, the cut is the logits themselves: then the model returns them whole, and
 * only their float64 copies are kept small.
 */
export function openHead(options: HeadOptions): PlannedHead {
  const { graph, logits, streams, reference, truth, folder } = options;
  const split = splitHead(graph, logits) ?? { cut: logits, logits, tokenwise: true };
  const indexOf = (label: string): number => {
    const index = streams.findIndex((stream) => stream.label === label);
    if (index < 0) throw new Error(`no stream is called ${label}`);
    return index;
  };
  const head = buildHead(graph, split, { count: streams.length, reference: indexOf(reference), truth: indexOf(truth) });
  const body = withWideCut(graph, split.cut);
  return {
    ...body,
    open: async (runner) => {
      const session = await runner.open({ model: { bytes: encodeModel(head.model), folder } }, 'running the language-model head');
      return {
        cut: body.cut,
        run: (hidden, batch, batchIndex) => runHead({ ...options, head, session }, hidden, batch, batchIndex),
        close: () => session.close(),
      };
    },
  };
}

interface OpenHead extends HeadOptions {
  head: HeadModel;
  session: Session;
}

async function runHead({ head, session, streams, reference, vocabSize, chunkElements = CHUNK_ELEMENTS }: OpenHead, hidden: TensorData, batch: Batch, batchIndex: number): Promise<HeadResult> {
  const tokens = batch.size * batch.length;
  const targets = BigInt64Array.from({ length: tokens }, (_, token) => (hasTarget(batch, token) ? batch.inputIds[token + 1]! : 0n));
  const perChunk = Math.max(1, Math.floor(chunkElements / (vocabSize * streams.length)));
  const rows = streams.map(() => HEAD_ROWS.map(() => new Float64Array(tokens)));
  for (let from = 0; from < tokens; from += perChunk) {
    const to = Math.min(tokens, from + perChunk);
    const outputs = await session.run(chunkFeeds(head, hidden, targets, streams.length, from, to));
    const values = outputs[head.output]!.data as Float64Array;
    for (const [stream, own] of rows.entries()) {
      for (const [row, destination] of own.entries()) {
        destination.set(probeRow(values, { row, stream, streams: streams.length, tokens: to - from }), from);
      }
    }
  }
  const records = rows.map((own) => Object.fromEntries(HEAD_ROWS.map((name, row) => [name, own[row]!])) as Record<(typeof HEAD_ROWS)[number], Float64Array>);
  const { l2: l2Ref } = records[streams.findIndex(({ label }) => label === reference)]!;
  return {
    stats: records.map(({ nll: _nll, kl: _kl, top1: _top1, ...values }, stream) => ({
      batch: batchIndex,
      tap: 'logits',
      scope: 'accumulated',
      layer: null,
      implementation: streams[stream]!.label,
      width: vocabSize,
      ...values,
      ...maxima(values),
      l2Ref,
    })),
    effects: records.map(({ nll, kl, top1, nan }, stream) => ({ batch: batchIndex, implementation: streams[stream]!.label, nll, kl, top1, nan })),
  };
}

function chunkFeeds({ hidden: input, targets: targetInput, chunk }: HeadModel, hidden: TensorData, targets: BigInt64Array, streams: number, from: number, to: number): Tensors {
  const tokens = targets.length;
  const width = hidden.data.length / (streams * tokens);
  const whole: TensorData = { ...hidden, dims: [streams, tokens, width] };
  return {
    [input]: chunk === null ? tokensOf(whole, from, to) : whole,
    [targetInput]: { type: 'int64', dims: [to - from], data: targets.slice(from, to) },
    ...(chunk === null ? {} : { [chunk]: { type: 'int64', dims: [2], data: BigInt64Array.of(BigInt(from), BigInt(to)) } }),
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

import { rebuild, type DiffGraph, type RebuildOptions } from '../../src/attention/rebuild.js';
import { aggregate } from '../../src/metrics/index.js';
import { nonFiniteFindings } from '../../src/metrics/nonFinite.js';
import { encodeModel } from '../../src/onnx/read.js';
import { DataType } from '../../src/onnx/types.js';
import { diffFeeds } from '../../src/pipeline/feeds.js';
import { loadModel, type LoadedModel } from '../../src/pipeline/load.js';
import { runGraph } from '../../src/pipeline/runGraph.js';
import { traceOrigins } from '../../src/pipeline/origin.js';
import { lookAgain } from '../../src/pipeline/lookAgain.js';
import type { SecondPass } from '../../src/pipeline/secondPass.js';
import { resolveSites } from '../../src/pipeline/resolve.js';
import { readProbes } from '../../src/pipeline/stats.js';
import { inProcessRunner, inProcessRunners } from '../../src/runners/inProcess.js';
import type {
  AttentionPrecision,
  Batch,
  Finding,
  NonFiniteOrigin,
  Row,
  Stream,
  TensorData,
  Tensors,
} from '../../src/types.js';
import { fixture, reference } from './fixtures.js';

const runner = inProcessRunner();
export const { batch: left } = reference('left');
export const { batch: right } = reference('right');
/** Padded left, its first row the one with most padding: nine tokens behind eleven. */
export const short = withRows(left, [1, 2, 0]);

/** A batch with its rows in another order. */
function withRows(batch: Batch, order: number[]): Batch {
  const { length } = batch;
  const rows = <T>(values: ArrayLike<T>): T[] =>
    order.flatMap((row) => Array.from({ length }, (_, s) => values[row * length + s]!));
  return {
    ...batch,
    inputIds: BigInt64Array.from(rows(batch.inputIds)),
    attentionMask: BigInt64Array.from(rows(batch.attentionMask)),
    positionIds: BigInt64Array.from(rows(batch.positionIds)),
    kinds: rows(batch.kinds),
  };
}

interface Setup {
  batch?: Batch;
  change?: (loaded: LoadedModel) => LoadedModel;
  plant?: NonNullable<RebuildOptions['plant']>;
  activations?: 'fp16' | 'bf16';
  precision?: AttentionPrecision;
}

/** What a run of these streams would trace its findings with. */
export async function contextOf(
  name: string,
  streams: Stream[],
  { batch = left, change = (loaded) => loaded, plant, activations, precision = 'fp32' }: Setup,
): Promise<SecondPass> {
  const loaded = change(await loadModel(fixture(name)));
  const config = {
    implementations: streams,
    reference: streams[0]!.label,
    precision,
    activations: activations ?? null,
    timeout: null,
  };
  return {
    config,
    loaded,
    sites: await resolveSites(loaded, runner),
    batches: [batch],
    runners: inProcessRunners(),
    ...(plant && { plant }),
  };
}

/** What a run of these streams finds on NaN and Inf, its rows being those of attention and hidden states; the first stream is the reference. */
export async function findingsOf(context: SecondPass): Promise<Finding[]> {
  const { config, loaded, batches } = context;
  const { implementations: streams, reference: label, precision } = config;
  const [batch] = batches as [Batch];
  const { diff, outputs } = await run(context, { streams, reference: label, precision });
  const rows = aggregate(readProbes(diff, outputs, batch, 0, loaded.sizes), [batch]) as Row[];
  const of = (name: string): Row[] => rows.filter(({ implementation }) => implementation === name);
  return streams.flatMap((stream) => nonFiniteFindings(of(stream.label), of(label)));
}

/** What is found, and what tracing makes of it. */
export async function traced(
  name: string,
  streams: Stream[],
  setup: Setup = {},
): Promise<{ found: Finding[]; traced: Finding[] }> {
  const context = await contextOf(name, streams, setup);
  const found = await findingsOf(context);
  return { found, traced: await traceOrigins(found, lookAgain(context)) };
}

/** The origin of the only finding. */
export function originOf(findings: readonly Finding[]): NonFiniteOrigin {
  const [finding, ...others] = findings;
  if (finding === undefined || others.length > 0)
    throw new Error(`${findings.length} findings instead of one`);
  if (!('origin' in finding) || !finding.origin)
    throw new Error(`${finding.code} without an origin`);
  return finding.origin;
}

/** Q, K and V of one layer of a stream, as the model makes them in that stream, by head. */
export async function attentionInputs(
  context: SecondPass,
  layer: number,
  stream: Stream,
): Promise<Record<'query' | 'key' | 'value', TensorData>> {
  const names: string[] = [];
  const trace: RebuildOptions['trace'] = {
    layer,
    stream: stream.label,
    scope: 'accumulated',
    site: (builder, { inputs }) => {
      for (const tensor of [inputs.query, inputs.key, inputs.value]) {
        names.push(builder.op('Identity', [tensor]));
        builder.output(names.at(-1)!, DataType.FLOAT);
      }
    },
  };
  const { outputs } = await run(context, { streams: [stream], reference: stream.label, trace });
  const [query, key, value] = names.map((name) => outputs[name]!) as [
    TensorData,
    TensorData,
    TensorData,
  ];
  return { query, key, value };
}

/** Tensors of the file, the model's attention being that of the first implementation. */
export async function keptOf(context: SecondPass, keep: string[]): Promise<TensorData[]> {
  const [stream] = context.config.implementations as [Stream];
  const { outputs } = await run(context, { streams: [stream], reference: stream.label, keep });
  return keep.map((name) => outputs[name]!);
}

async function run(
  context: SecondPass,
  options: Pick<RebuildOptions, 'streams' | 'reference'> & Partial<RebuildOptions>,
): Promise<{ diff: DiffGraph; outputs: Tensors }> {
  const { loaded, sites, batches, plant, config } = context;
  const diff = rebuild({
    graph: runGraph(loaded, config),
    sites,
    sizes: loaded.sizes,
    ...(plant && { plant }),
    ...options,
  });
  const session = await runner.open(
    { model: { bytes: encodeModel(diff.model), folder: loaded.folder } },
    'test',
  );
  const outputs = await session.run(diffFeeds(loaded.inputs, loaded.sizes, diff, batches[0]!));
  await session.close();
  return { diff, outputs };
}

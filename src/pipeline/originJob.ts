import { append } from '../onnx/append.js';
import type { DiffGraph, Trace } from '../attention/rebuild.js';
import { isOp, usedNames, type OnnxGraph } from '../onnx/graph.js';
import { dropUnused, sortNodes } from '../onnx/rewrite.js';
import type { ModelProto, NodeProto } from '../onnx/types.js';
import type { BadTap, Batch, NonFiniteOrigin, Stream, Tensors } from '../types.js';
import { diffFeeds } from './feeds.js';
import { runOnce } from './once.js';
import { runGraph } from './runGraph.js';
import { rebuildAgain, runnerOf, type SecondPass } from './secondPass.js';

/** One place of one stream that is traced. */
export interface Job {
  place: BadTap;
  context: SecondPass;
  stream: Stream;
  /** The stream, and the one on whose Q, K, V it runs where the scope is local, that one first. */
  streams: Stream[];
  batch: Batch;
  /** Tokens of the kind asked for, [B·S]. */
  tokens: Uint8Array;
  /** The graph that the run rebuilt. */
  graph: OnnxGraph;
}

export function jobFor(place: BadTap, context: SecondPass): Job {
  const { config, loaded, batches } = context;
  const labelled = (label: string): Stream =>
    found(
      config.implementations.find((stream) => stream.label === label),
      label,
    );
  const stream = labelled(place.implementation);
  const batch = found(
    batches.find(({ name }) => name === place.batch),
    place.batch,
  );
  const streams =
    place.scope === 'local' && stream.label !== config.reference
      ? [labelled(config.reference), stream]
      : [stream];
  return {
    place,
    context,
    stream,
    streams,
    batch,
    tokens: Uint8Array.from(batch.kinds, (kind) => Number(kind === place.kind)),
    graph: runGraph(loaded, config),
  };
}

function found<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`the run has nothing called ${name}`);
  return value;
}

/** The graph of the run with the traced stream alone, or with the reference beside it. */
export function rebuildFor(
  { streams, context }: Job,
  options: { trace?: Trace; keep?: string[] },
): DiffGraph {
  return rebuildAgain(context, context.batches, {
    streams,
    reference: streams[0]!.label,
    ...options,
  });
}

/**
 * Runs what some outputs of a model need, on the batch.
 *
 * @param model made of the rebuilt one; cut down in place
 * @param added feeds for inputs that are not the rebuilt graph's own
 * @throws AttnDiffError execution-failed, runner-crashed
 */
export async function execute(
  { context, batch, stream }: Job,
  diff: DiffGraph,
  model: ModelProto,
  added: Tensors,
): Promise<Tensors> {
  const { loaded } = context;
  const graph = model.graph!;
  dropUnused(graph);
  sortNodes(graph);
  const read = new Set(graph.node.flatMap(usedNames));
  graph.input = graph.input.filter(({ name }) => read.has(name));
  return runOnce(
    runnerOf(context, stream),
    model,
    { ...diffFeeds(loaded.inputs, loaded.sizes, diff, batch), ...added },
    'tracing what is not finite',
    loaded.folder,
  );
}

/** A node of the file as the report names it. */
export function nodeName(node: NodeProto): NonNullable<NonFiniteOrigin['node']> {
  return { name: node.name || node.output[0] || '?', opType: node.opType };
}

/**
 * The node of the file that a tensor of a rebuilt graph is owed to: the one that makes it; of a node that rounding or
 * unfolding put there, the one before it where it only casts, and else the first after it.
 *
 * @param unfolded the node to name for what unfolding a fused attention node made; null where there is none
 */
export function fileNode(
  job: Job,
  index: OnnxGraph,
  tensor: string,
  unfolded: NodeProto | null,
): NodeProto | null {
  const {
    graph,
    context: { loaded },
  } = job;
  const own = loaded.graph.producer(tensor);
  if (own) return own;
  const node = index.producer(tensor);
  if (isOp(node, 'Cast', 'Identity') && index.producer(node.input[0]))
    return fileNode(job, index, node.input[0]!, unfolded);
  if (unfolded && !graph.producer(tensor)) return unfolded;
  const seen = new Set<string>();
  const open = [tensor];
  for (let name = open.shift(); name !== undefined; name = open.shift()) {
    const made = loaded.graph.producer(name);
    if (made) return made;
    if (seen.has(name)) continue;
    seen.add(name);
    append(
      open,
      index.consumers(name).flatMap(({ output }) => output),
    );
  }
  return null;
}

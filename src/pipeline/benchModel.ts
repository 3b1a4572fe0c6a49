import { readFile } from 'node:fs/promises';
import type { ResolvedSite } from '../attention/evaluate.js';
import { rebuild } from '../attention/rebuild.js';
import { OnnxGraph } from '../onnx/graph.js';
import { encodeModel } from '../onnx/read.js';
import { keepOutputs } from '../onnx/rewrite.js';
import type { SessionRequest } from '../runners/types.js';
import type { Batch, OutputKind, Stream, Tensors } from '../types.js';
import { addedFeeds, modelFeeds } from './feeds.js';
import type { LoadedModel } from './load.js';
import { graphOn } from './runGraph.js';

/** What outputs hold that a model is run for. */
const RESULTS: ReadonlySet<OutputKind> = new Set<OutputKind>([
  'hidden-states',
  'embedding',
  'scores',
  'token-scores',
  'other',
]);

/** A model with one implementation alone in it, ready to be opened. */
export interface BenchModel {
  model: SessionRequest['model'];
  /** What the model holds. */
  graph: OnnxGraph;
  feeds: Tensors;
  /** What a pass returns. */
  outputs: string[];
}

/**
 * What is timed of an implementation: for `original` the unmodified file, else the model with every site rebuilt as
 * that implementation, and nothing kept but the logits, or else what depends on the last layer, so that no probe is left. Both are handed over as bytes, so
 * that opening them costs the same memory.
 */
export async function benchModel(
  loaded: LoadedModel,
  resolved: readonly ResolvedSite[],
  stream: Stream,
  batch: Batch,
): Promise<BenchModel> {
  const { sizes, inputs, fileInputs, folder, unmodified } = loaded;
  const { graph, sites } = graphOn(stream.settings.provider, loaded, resolved, {
    activations: null,
  });
  const outputs = timedOutputs(loaded);
  const feeds = modelFeeds(stream.name === 'original' ? fileInputs : inputs, sizes, batch, 1);
  if (stream.name === 'original') {
    return {
      model: 'path' in unmodified ? { bytes: await readFile(unmodified.path), folder } : unmodified,
      graph,
      feeds,
      outputs,
    };
  }
  const { model, added } = rebuild({
    graph,
    sites,
    sizes,
    streams: [stream],
    reference: stream.label,
    keep: outputs,
  });
  keepOutputs(model, outputs);
  return {
    model: { bytes: encodeModel(model), folder },
    graph: new OnnxGraph(model),
    feeds: { ...feeds, ...addedFeeds(added, batch, 1) },
    outputs,
  };
}

/** The logits; of a file without any, all that it gives but caches and attention weights, or these where there is nothing else. */
function timedOutputs({ logits, outputs }: LoadedModel): string[] {
  if (logits) return [logits.name];
  const results = outputs.filter(({ kind }) => RESULTS.has(kind));
  return (results.length > 0 ? results : outputs).map(({ name }) => name);
}

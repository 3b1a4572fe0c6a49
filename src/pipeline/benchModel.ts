import { readFile } from 'node:fs/promises';
import type { ResolvedSite } from '../attention/evaluate.js';
import { logitsOutput, rebuild } from '../attention/rebuild.js';
import { OnnxGraph } from '../onnx/graph.js';
import { encodeModel } from '../onnx/read.js';
import { keepOutputs } from '../onnx/rewrite.js';
import type { SessionRequest } from '../runners/types.js';
import type { Batch, Stream, Tensors } from '../types.js';
import { addedFeeds, modelFeeds } from './feeds.js';
import type { LoadedModel } from './load.js';
import { graphOn } from './runGraph.js';

/** A model with one implementation alone in it, ready to be opened. */
export interface BenchModel {
  model: SessionRequest['model'];
  /** What the model holds. */
  graph: OnnxGraph;
  feeds: Tensors;
  logits: string;
}

/**
 * What is timed of an implementation: for `original` the unmodified file, else the model with every site rebuilt as
 * that implementation, and nothing kept but the logits, so that no probe is left. Both are handed over as bytes, so
 * that opening them costs the same memory.
 */
export async function benchModel(loaded: LoadedModel, resolved: readonly ResolvedSite[], stream: Stream, batch: Batch): Promise<BenchModel> {
  const { sizes, inputs, folder, unmodified } = loaded;
  const { graph, sites } = graphOn(stream.settings.provider, loaded, resolved, { activations: null });
  const logits = logitsOutput(graph);
  const feeds = modelFeeds(inputs, sizes, batch, 1);
  if (stream.name === 'original') {
    return { model: 'path' in unmodified ? { bytes: await readFile(unmodified.path), folder } : unmodified, graph, feeds, logits };
  }
  const { model, added } = rebuild({ graph, sites, sizes, streams: [stream], reference: stream.label, keep: [logits] });
  keepOutputs(model, [logits]);
  return { model: { bytes: encodeModel(model), folder }, graph: new OnnxGraph(model), feeds: { ...feeds, ...addedFeeds(added, batch, 1) }, logits };
}

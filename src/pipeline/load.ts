import { dirname } from 'node:path';
import type { Sizes } from '../attention/evaluate.js';
import { recogniseSites } from '../attention/recognise/index.js';
import type { AttentionSite } from '../attention/site.js';
import { openModelSource, type ModelSource } from '../model/index.js';
import { checkExternalData } from '../onnx/external.js';
import { OnnxGraph } from '../onnx/graph.js';
import { modelInputs, type TensorInfo } from '../onnx/inputs.js';
import { readModel } from '../onnx/read.js';

/** A model with its attention recognised; nothing has been executed and no external weight read. */
export interface LoadedModel {
  source: ModelSource;
  graph: OnnxGraph;
  /** The folder that external data is relative to. */
  folder: string;
  inputs: TensorInfo[];
  externalFiles: string[];
  sites: AttentionSite[];
  sizes: Sizes;
}

/** @throws AttnDiffError every code of exit 3 that concerns reading and recognising */
export async function loadModel(path: string): Promise<LoadedModel> {
  const source = await openModelSource(path);
  const model = await readModel(source.onnxPath);
  const folder = dirname(source.onnxPath);
  const externalFiles = await checkExternalData(model, folder);
  const graph = new OnnxGraph(model);
  const { config } = source;
  return {
    source,
    graph,
    folder,
    inputs: modelInputs(graph),
    externalFiles,
    sites: recogniseSites(graph, config.layers, source.onnxPath),
    sizes: { heads: config.heads, kvHeads: config.kvHeads, headDim: config.headDim, hiddenSize: config.hiddenSize, vocabSize: config.vocabSize },
  };
}

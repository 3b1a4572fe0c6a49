import { basename, dirname } from 'node:path';
import type { Sizes } from '../attention/evaluate.js';
import { nameResidualSums } from '../attention/recognise/residual.js';
import { recogniseSites } from '../attention/recognise/index.js';
import { PROBE_OPSET } from '../attention/rebuild.js';
import type { AttentionSite } from '../attention/site.js';
import { findOnnxFile, openModelSource, type ModelSource } from '../model/index.js';
import { checkExternalData } from '../onnx/external.js';
import { OnnxGraph } from '../onnx/graph.js';
import { inlineBranches } from '../onnx/inline.js';
import { modelInputs, type TensorInfo } from '../onnx/inputs.js';
import { raiseOpset } from '../onnx/opset.js';
import { readModel } from '../onnx/read.js';
import { opsetOf } from '../onnx/rewrite.js';
import { USE_CACHE_BRANCH } from './feeds.js';

/** A model with its attention recognised; nothing has been executed and no external weight read. */
export interface LoadedModel {
  source: ModelSource;
  /** The decoded graph, its nodes in the form of opset 18 or later. */
  graph: OnnxGraph;
  /** The file's own opset of ai.onnx. */
  opset: number;
  /** The folder that external data is relative to. */
  folder: string;
  inputs: TensorInfo[];
  externalFiles: string[];
  sites: AttentionSite[];
  sizes: Sizes;
}

/** @throws AttnDiffError every code of exit 3 that concerns reading and recognising */
export async function loadModel(path: string): Promise<LoadedModel> {
  // The ONNX file before config.json: where both are wrong, --model more likely points to the wrong place.
  const model = await readModel(await findOnnxFile(path));
  const source = await openModelSource(path);
  const folder = dirname(source.onnxPath);
  const own = basename(source.onnxPath);
  const externalFiles = (await checkExternalData(model, folder)).filter((file) => file !== own);
  const opset = opsetOf(model, '') ?? 0;
  inlineBranches(model.graph!, USE_CACHE_BRANCH, false);
  raiseOpset(model, PROBE_OPSET);
  nameResidualSums(model.graph!);
  const graph = new OnnxGraph(model);
  const { config } = source;
  return {
    source,
    graph,
    opset,
    folder,
    inputs: modelInputs(graph),
    externalFiles,
    sites: recogniseSites(graph, config.layers, source.onnxPath),
    sizes: { heads: config.heads, kvHeads: config.kvHeads, headDim: config.headDim, hiddenSize: config.hiddenSize, vocabSize: config.vocabSize },
  };
}

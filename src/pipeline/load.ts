import { basename, dirname } from 'node:path';
import type { Sizes } from '../attention/evaluate.js';
import { ringCaches } from '../attention/recognise/groupQuery.js';
import { nameResidualSums } from '../attention/recognise/residual.js';
import { recogniseSites } from '../attention/recognise/index.js';
import { strayCasts, type LayerCast } from '../attention/recognise/strayCasts.js';
import { PROBE_OPSET } from '../attention/rebuild.js';
import type { AttentionSite } from '../attention/site.js';
import { classifyOutputs, type LogitsOutput } from '../head/outputs.js';
import { locateModel, openModelSource, type ModelOptions, type ModelSource } from '../model/index.js';
import { checkGraph } from '../onnx/checkGraph.js';
import { checkExternalData, externalLocations } from '../onnx/external.js';
import { makeNamesSafe } from '../onnx/nodeNames.js';
import { OnnxGraph } from '../onnx/graph.js';
import { inlineBranches } from '../onnx/inline.js';
import { inlineFunctions } from '../onnx/inlineFunctions.js';
import { modelInputs, type TensorInfo } from '../onnx/inputs.js';
import { raiseOpset } from '../onnx/opset.js';
import { encodeModel, readModel } from '../onnx/read.js';
import { relocateExternalData } from '../onnx/relocate.js';
import { copyModel, dropUnused, opsetOf } from '../onnx/rewrite.js';
import { widenBfloat16, widenInputs } from '../onnx/widen.js';
import type { ModelProto } from '../onnx/types.js';
import type { SessionRequest } from '../runners/types.js';
import type { OutputInfo } from '../types.js';
import { USE_CACHE_BRANCH } from './feeds.js';

/** A model with its attention recognised; nothing has been executed and no external weight read. */
export interface LoadedModel {
  source: ModelSource;
  /** The decoded graph, its nodes in the form of opset 18 or later. */
  graph: OnnxGraph;
  /** The file's own opset of ai.onnx. */
  opset: number;
  /** Whether the file computes in bfloat16, which was widened to float32. */
  widened: boolean;
  /** Of a file that computes in bfloat16, what a provider with bfloat16 kernels runs: graph and sites as they were before widening. */
  narrow: { graph: OnnxGraph; sites: AttentionSite[] } | null;
  /** The file as it is (but for widening), to be run unmodified. */
  unmodified: SessionRequest['model'];
  /** The folder that external data is relative to. */
  folder: string;
  inputs: TensorInfo[];
  outputs: OutputInfo[];
  /** Null where no output is over the vocabulary. */
  logits: LogitsOutput | null;
  externalFiles: string[];
  sites: AttentionSite[];
  /** Casts in the attention of some layers that others do not have. */
  strayCasts: LayerCast[];
  sizes: Sizes;
}

/**
 * Reads a model from a file, a folder or the hub.
 *
 * @throws AttnDiffError every code of exit 3 that concerns finding, reading and recognising
 */
export async function loadModel(path: string, options: ModelOptions = {}): Promise<LoadedModel> {
  // The ONNX file before config.json: where both are wrong, --model more likely points to the wrong place.
  const location = await locateModel(path, options);
  const model = await readModel(location.onnxPath);
  checkGraph(model, location.onnxPath);
  inlineFunctions(model);
  makeNamesSafe(model);
  await location.fetchData(externalLocations(model));
  const source = await openModelSource(location);
  const beside = dirname(source.onnxPath);
  const own = basename(source.onnxPath);
  const externalFiles = (await checkExternalData(model, beside)).filter((file) => file !== own);
  const folder = await relocateExternalData(model, beside);
  const asWritten = copyModel(model);
  const widened = widenBfloat16(model);
  const unmodified = folder === beside && !widened ? { path: source.onnxPath } : { bytes: encodeModel(model), folder };
  const opset = opsetOf(model, '') ?? 0;
  const graph = readable(model);
  const { config } = source;
  const sites = recogniseSites(graph, config.attentionLayers, source.onnxPath);
  const narrow = widened ? narrowed(asWritten, config.attentionLayers, source.onnxPath) : null;
  return {
    source,
    graph,
    opset,
    unmodified,
    widened,
    narrow,
    folder,
    inputs: withRingCaches(modelInputs(graph), ringCaches(graph)),
    ...classifyOutputs(graph, sites, config),
    externalFiles,
    sites,
    strayCasts: strayCasts(narrow?.graph ?? graph, narrow?.sites ?? sites),
    sizes: { heads: config.heads, kvHeads: config.kvHeads, headDim: config.headDim, hiddenSize: config.hiddenSize, vocabSize: config.vocabSize },
  };
}

/** Brings a decoded model into the form that sites are recognised in, in place. */
function readable(model: ModelProto): OnnxGraph {
  inlineBranches(model.graph!, USE_CACHE_BRANCH, false);
  makeNamesSafe(model);
  dropUnused(model.graph!);
  // What stood in a branch stands beside the others now.
  makeNamesSafe(model);
  raiseOpset(model, PROBE_OPSET);
  nameResidualSums(model.graph!);
  return new OnnxGraph(model);
}

/** A bfloat16 model in the form that widened ones are rebuilt from. */
function narrowed(model: ModelProto, layers: readonly number[], path: string): NonNullable<LoadedModel['narrow']> {
  widenInputs(model);
  const graph = readable(model);
  return { graph, sites: recogniseSites(graph, layers, path) };
}

/** An empty ring cache is as long as its window; its length is fixed in the input's shape. */
function withRingCaches(inputs: TensorInfo[], rings: ReadonlyMap<string, number>): TensorInfo[] {
  return inputs.map((input) => {
    const length = rings.get(input.name);
    return length === undefined ? input : { ...input, shape: input.shape.with(2, length) };
  });
}

import { basename, dirname } from 'node:path';
import type { Sizes } from '../attention/evaluate.js';
import {
  classifyInputs,
  fixedSizes,
  sizeAxes,
  USE_CACHE_BRANCH,
  type FixedSizes,
  type ModelInput,
} from '../attention/inputRoles.js';
import { ringCaches } from '../attention/recognise/groupQuery.js';
import { nameResidualSums } from '../attention/recognise/residual.js';
import { recogniseSites } from '../attention/recognise/index.js';
import { strayCasts, type LayerCast } from '../attention/recognise/strayCasts.js';
import { PROBE_OPSET } from '../attention/rebuild.js';
import type { AttentionSite } from '../attention/site.js';
import { checkGraph } from '../onnx/checkGraph.js';
import { classifyOutputs, type LogitsOutput, type Outputs } from '../head/outputs.js';
import { configuredWindow } from '../metrics/index.js';
import {
  locateModel,
  openModelSource,
  type ModelConfig,
  type ModelOptions,
  type ModelSource,
} from '../model/index.js';
import { checkExternalData, externalLocations } from '../onnx/external.js';
import { makeNamesSafe } from '../onnx/nodeNames.js';
import { OnnxGraph } from '../onnx/graph.js';
import { inlineBranches } from '../onnx/inline.js';
import { inlineFunctions } from '../onnx/inlineFunctions.js';
import { graftEmbedding, type Graft } from '../onnx/graft.js';
import { liftBatch } from '../onnx/liftBatch.js';
import { raiseOpset } from '../onnx/opset.js';
import { encodeModel, readModel } from '../onnx/read.js';
import { relocateExternalData } from '../onnx/relocate.js';
import { copyModel, dropUnused, opsetOf } from '../onnx/rewrite.js';
import { widenBfloat16, widenInputs } from '../onnx/widen.js';
import type { ModelProto, ValueInfoProto } from '../onnx/types.js';
import { tensorInfo } from '../onnx/inputs.js';
import type { SessionRequest } from '../runners/types.js';
import type { OutputInfo } from '../types.js';

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
  inputs: ModelInput[];
  /** The same as the file has them, its fixed batch included. */
  fileInputs: ModelInput[];
  fixed: FixedSizes;
  /** Where the file takes embeddings: that input, and the weights in which they are looked up; null elsewhere. */
  graft: Graft | null;
  /** Whether an input tells the file which tokens are padding. */
  takesMask: boolean;
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
  const graft = graftEmbedding(model, { ...source.config, tied: source.config.tiedEmbeddings });
  const asWritten = copyModel(model);
  const widened = widenBfloat16(model);
  const unmodified =
    folder === beside && !widened && !graft
      ? { path: source.onnxPath }
      : { bytes: encodeModel(model), folder };
  const opset = opsetOf(model, '') ?? 0;
  const { config } = source;
  let graph = readable(model);
  let sites = recogniseSites(graph, config.attentionLayers, source.onnxPath);
  const fileInputs = withWindows(
    withRingCaches(classifyInputs(graph, sites, config.vocabSize), ringCaches(graph)),
    config,
  );
  const fixed = fixedSizes(fileInputs);
  const declared = graph.graph.output;
  if (fixed.batch !== null) {
    liftBatch(
      model,
      fixed.batch,
      new Map(
        fileInputs.flatMap((input) =>
          sizeAxes(input).flatMap(([size, axis]) =>
            size === 'batch' ? [[input.name, axis] as const] : [],
          ),
        ),
      ),
    );
    graph = new OnnxGraph(model);
    sites = recogniseSites(graph, config.attentionLayers, source.onnxPath);
  }
  const narrow =
    widened && fixed.batch === null
      ? narrowed(asWritten, config.attentionLayers, source.onnxPath)
      : null;
  return {
    source,
    graph,
    opset,
    unmodified,
    widened,
    narrow,
    folder,
    inputs:
      fixed.batch === null
        ? fileInputs
        : classifyInputs(graph, sites, config.vocabSize).map((input, i) => ({
            ...fileInputs[i]!,
            shape: input.shape,
          })),
    fileInputs,
    fixed,
    graft,
    takesMask: fileInputs.some(({ role }) => role === 'mask' || role === 'mask-4d'),
    ...asDeclared(classifyOutputs(graph, sites, config), declared),
    externalFiles,
    sites,
    strayCasts: strayCasts(narrow?.graph ?? graph, narrow?.sites ?? sites),
    sizes: {
      heads: config.heads,
      kvHeads: config.kvHeads,
      headDim: config.headDim,
      hiddenSize: config.hiddenSize,
      vocabSize: config.vocabSize,
    },
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
function narrowed(
  model: ModelProto,
  layers: readonly number[],
  path: string,
): NonNullable<LoadedModel['narrow']> {
  widenInputs(model);
  const graph = readable(model);
  return { graph, sites: recogniseSites(graph, layers, path) };
}

/** An empty ring cache is as long as its window; its length is fixed in the input's shape. */
function withRingCaches(inputs: ModelInput[], rings: ReadonlyMap<string, number>): ModelInput[] {
  return inputs.map((input) => {
    const length = rings.get(input.name);
    return length === undefined ? input : { ...input, shape: input.shape.with(2, length) };
  });
}

/** Outputs with the shapes that the file declares, its fixed batch included. */
function asDeclared({ outputs, ...rest }: Outputs, declared: readonly ValueInfoProto[]): Outputs {
  return {
    ...rest,
    outputs: outputs.map((output, i) => ({
      ...output,
      shape: tensorInfo(declared[i]!).shape.map((dim) => dim ?? '?'),
    })),
  };
}

/** A mask that is fed whole is as causal as config.json says, and has the window that its layers are to have: one that all have, or that its name speaks of. */
function withWindows(inputs: ModelInput[], config: ModelConfig): ModelInput[] {
  const windows = new Set(config.attentionLayers.map((layer) => configuredWindow(config, layer)));
  const sliding = [...windows].find((window): window is number => window !== null) ?? null;
  const slides = ({ name }: ModelInput): boolean =>
    windows.size === 1 || /slid|window|local/i.test(name);
  return inputs.map((input) =>
    input.role === 'mask-4d'
      ? { ...input, causal: config.isCausal, window: slides(input) ? sliding : null }
      : input,
  );
}

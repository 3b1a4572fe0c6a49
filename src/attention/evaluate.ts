import { AttnDiffError } from '../errors.js';
import { makeValueInfo } from '../onnx/builder.js';
import { elementTypes } from '../onnx/elementType.js';
import { isOp, type OnnxGraph } from '../onnx/graph.js';
import { tensorInfo } from '../onnx/inputs.js';
import { extract } from '../onnx/rewrite.js';
import { signatures } from '../onnx/signature.js';
import { DataType, type ModelProto, type ValueInfoProto } from '../onnx/types.js';
import type { MaskSummary, TensorData, Tensors } from '../types.js';
import { analyseMask, compareMask, type MaskProbe } from './mask.js';
import type { AttentionSite } from './site.js';

/** A site with the numbers that its scale and mask come to. */
export interface ResolvedSite extends AttentionSite {
  scale: number;
  maskSummary: MaskSummary;
}

export interface Sizes {
  heads: number;
  kvHeads: number;
  headDim: number;
  hiddenSize: number;
  vocabSize: number;
}

/**
 * The part of a model that computes its masks and scales, cut off from the layers: it holds no weights,
 * so evaluating it costs nothing even on a large model.
 */
export interface Evaluation {
  /** Null where nothing has to be evaluated. */
  model: ModelProto | null;
  /** Feeds for the tensors at which the part was cut; the model's own inputs are fed as always. */
  cutFeeds(probe: MaskProbe): Tensors;
  /** @throws AttnDiffError site-not-recognised */
  resolve(outputs: Tensors, probe: MaskProbe): ResolvedSite[];
  /**
   * Holds the masks on a batch against what the sites were resolved to.
   *
   * @throws AttnDiffError site-not-recognised
   */
  verify(sites: readonly ResolvedSite[], outputs: Tensors, batch: MaskProbe): void;
}

/** Plans the evaluation of every site's mask and scale. */
export function planEvaluation(graph: OnnxGraph, sites: readonly AttentionSite[], sizes: Sizes): Evaluation {
  const { cuts, shapes, roles } = findCuts(graph, sites, sizes);
  const signature = signatures(graph, roles);
  // Exporters write the same mask once per layer; one of each is enough.
  const representatives = new Map<number, string>();
  const want = (tensor: string): string => {
    const number = signature(tensor);
    const name = representatives.get(number) ?? tensor;
    representatives.set(number, name);
    return name;
  };
  const scaled = sites.map((site) => ({ ...site, scaleFactors: site.scaleFactors.map((factor) => ({ ...factor, value: graph.values(factor.tensor)?.[0] ?? want(factor.tensor) })) }));
  const maskTensor = new Map(sites.flatMap(({ layer, mask }) => (mask.kind === 'tensor' ? [[layer, want(mask.tensor)] as const] : [])));
  const wanted = [...representatives.values()];
  return {
    model: wanted.length === 0 ? null : extract(graph, wanted.map((name) => ({ name, type: DataType.UNDEFINED })), cuts),
    cutFeeds: (probe) => Object.fromEntries([...shapes].map(([name, shape]) => [name, zeros(shape(probe), tensorInfo(cuts.get(name)!).type)])),
    resolve: (outputs, probe) =>
      sites.map((site, i) => ({ ...site, scale: scaleOf(site, scaled[i]!.scaleFactors, outputs, sizes.headDim), maskSummary: maskOf(site, outputs[maskTensor.get(site.layer) ?? ''], probe, graph.inputs.has('attention_mask')) })),
    verify: (resolved, outputs, batch) => {
      const seen = new Set<string>();
      for (const site of resolved) {
        const tensor = maskTensor.get(site.layer);
        const key = `${tensor}/${site.maskSummary.window}`;
        if (tensor === undefined || seen.has(key)) continue;
        seen.add(key);
        const compared = compareMask(outputs[tensor]!, batch, site.maskSummary);
        if ('problem' in compared) throw notRecognised(site, compared.problem);
      }
    },
  };
}

function zeros(dims: number[], type: DataType): TensorData {
  const length = dims.reduce((a, b) => a * b, 1);
  return { type: type === DataType.FLOAT16 ? 'float16' : 'float32', dims, data: new Float32Array(length) };
}

const FLOATS: ReadonlySet<number | undefined> = new Set([DataType.FLOAT, DataType.FLOAT16]);

type ShapeOf = (probe: MaskProbe) => number[];

/** Queries, keys and embeddings are cut: masks and scales depend on their shapes at most. */
function findCuts(graph: OnnxGraph, sites: readonly AttentionSite[], sizes: Sizes): { cuts: Map<string, ValueInfoProto>; shapes: Map<string, ShapeOf>; roles: Map<string, string> } {
  const roles = new Map<string, string>();
  const shapes = new Map<string, ShapeOf>();
  for (const { qkv } of sites) {
    if (qkv.kind !== 'heads') continue;
    const { heads, kvHeads, headDim } = sizes;
    const keyHeads = qkv.grouped ? kvHeads : heads;
    shapes.set(qkv.query, ({ size, length }) => [size, heads, length, headDim]);
    shapes.set(qkv.key, ({ size, length }) => (qkv.keyTransposed ? [size, keyHeads, headDim, length] : [size, keyHeads, length, headDim]));
    shapes.set(qkv.value, ({ size, length }) => [size, keyHeads, length, headDim]);
    for (const role of ['query', 'key', 'value'] as const) roles.set(qkv[role], role);
  }
  const types = elementTypes(graph);
  for (const node of graph.graph.node) {
    const table = isOp(node, 'Gather') ? graph.initializers.get(node.input[0]!) : undefined;
    if (!FLOATS.has(table?.dataType)) continue;
    if (table?.dims.length === 2 && Number(table.dims[0]) === sizes.vocabSize) {
      shapes.set(node.output[0]!, ({ size, length }) => [size, length, sizes.hiddenSize]);
    }
  }
  const cuts = new Map([...shapes.keys()].map((name) => [name, makeValueInfo(name, types(name))] as const));
  return { cuts, shapes, roles };
}

/** Relative distance below which a scale written as √s·√s in float32 is taken to be 1/√D. */
const SCALE_ROUNDING = 1e-6;

function scaleOf(site: AttentionSite, factors: readonly { divides: boolean; value: number | string }[], outputs: Tensors, headDim: number): number {
  const usual = 1 / Math.sqrt(headDim);
  let scale = site.scaleConstant ?? usual;
  for (const { value: known, divides } of factors) {
    const value = typeof known === 'number' ? known : firstNumber(outputs[known]);
    scale = divides ? scale / value : scale * value;
  }
  if (!Number.isFinite(scale)) throw notRecognised(site, `its scale comes to ${scale}`);
  return Math.abs(scale - usual) <= SCALE_ROUNDING * usual ? usual : scale;
}

function firstNumber(tensor: TensorData | undefined): number {
  return Number(tensor?.data[0]);
}

function maskOf(site: AttentionSite, tensor: TensorData | undefined, probe: MaskProbe, takesMask: boolean): MaskSummary {
  if (site.mask.kind === 'lengths') return { form: 'none', fill: null, causal: true, padding: true, window: site.mask.window };
  const analysis = analyseMask(tensor!, probe);
  if ('problem' in analysis) throw notRecognised(site, analysis.problem);
  const { mask } = analysis;
  if (!mask.padding && takesMask) throw notRecognised(site, 'its mask does not depend on attention_mask');
  if (!mask.causal && !site.operatorCausal) throw notRecognised(site, 'its mask is not causal');
  return { ...mask, causal: true };
}

function notRecognised(site: AttentionSite, problem: string): AttnDiffError {
  return new AttnDiffError('site-not-recognised', { node: site.core.name || site.output, opType: site.core.opType, layer: site.layer, problem, remedy: 'report' });
}

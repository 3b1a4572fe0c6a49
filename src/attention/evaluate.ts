import { AttnDiffError } from '../errors.js';
import { makeValueInfo } from '../onnx/builder.js';
import { elementTypes } from '../onnx/elementType.js';
import { isOp, type OnnxGraph } from '../onnx/graph.js';
import { tensorInfo } from '../onnx/inputs.js';
import { extract } from '../onnx/rewrite.js';
import { signatures } from '../onnx/signature.js';
import { DataType, type ModelProto, type ValueInfoProto } from '../onnx/types.js';
import type { MaskFault, MaskSummary, TensorData, Tensors } from '../types.js';
import {
  analyseMask,
  compareMask,
  maskProblem,
  type MaskProbe,
  type MaskRule,
  type SiteMask,
} from './mask.js';
import type { AttentionSite } from './site.js';

/** A site with the numbers that its scale and mask come to. */
export interface ResolvedSite extends AttentionSite {
  scale: number;
  /** The logit of each query head's sink; null without. */
  sinks: number[] | null;
  /** The right mask, which implementations are built with: the file's own, unless that is wrong. */
  maskSummary: MaskSummary;
  /** What the file's own mask comes to, as far as it follows a rule. */
  fileMask: MaskSummary;
  /** Where the file's mask is not as it should be; one of each kind. */
  maskFaults: MaskFault[];
}

/** What config.json asks of masks. */
export interface ExpectedMasks {
  causal: boolean;
  /** Whether the file is told which tokens are padding. */
  takesMask: boolean;
  /** The sliding window of a layer; null for none. */
  windowOf(layer: number): number | null;
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
   * Compares the masks on a batch with what the sites were resolved to.
   *
   * @returns the sites, with the faults that only this batch shows
   * @throws AttnDiffError site-not-recognised
   */
  verify(sites: readonly ResolvedSite[], outputs: Tensors, batch: MaskProbe): ResolvedSite[];
}

/** Plans the evaluation of every site's mask and scale. */
export function planEvaluation(
  graph: OnnxGraph,
  sites: readonly AttentionSite[],
  sizes: Sizes,
  expected: ExpectedMasks,
): Evaluation {
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
  const scaled = sites.map((site) => ({
    ...site,
    scaleFactors: site.scaleFactors.map((factor) => ({
      ...factor,
      value: graph.values(factor.tensor)?.[0] ?? want(factor.tensor),
    })),
  }));
  const maskTensor = new Map(
    sites.flatMap(({ layer, mask }) =>
      mask.kind === 'tensor' ? [[layer, want(mask.tensor)] as const] : [],
    ),
  );
  const sinkTensor = new Map(
    sites.flatMap(({ layer, sink }) =>
      sink?.tensor == null || constantSinks(graph, sink.tensor)
        ? []
        : [[layer, want(sink.tensor)] as const],
    ),
  );
  const wanted = [...representatives.values()];
  return {
    model:
      wanted.length === 0
        ? null
        : extract(
            graph,
            wanted.map((name) => ({ name, type: DataType.UNDEFINED })),
            cuts,
          ),
    cutFeeds: (probe) =>
      Object.fromEntries(
        [...shapes].map(([name, shape]) => [
          name,
          zeros(shape(probe), tensorInfo(cuts.get(name)!).type),
        ]),
      ),
    resolve: (outputs, probe) => {
      const resolved = sites.map((site, i) => ({
        ...site,
        scale: scaleOf(site, scaled[i]!.scaleFactors, outputs, sizes.headDim),
        sinks: sinksOf(
          site,
          sinkTensor.has(site.layer)
            ? outputs[sinkTensor.get(site.layer)!]!
            : (site.sink?.tensor ?? null),
          probe,
        ),
        ...maskOf(site, siteMask(site, outputs), probe, {
          causal: expected.causal,
          padding: expected.takesMask,
          window: expected.windowOf(site.layer),
        }),
      }));
      // What one layer alone adds is its fault; what all add is another kind of attention (ALiBi).
      const biased = resolved.find(({ maskFaults }) =>
        maskFaults.some(({ kind }) => kind === 'bias'),
      );
      if (
        biased &&
        resolved.every(({ maskFaults }) => maskFaults.some(({ kind }) => kind === 'bias'))
      )
        throw notRecognised(
          biased,
          `its mask adds ${biased.maskFaults.find(({ kind }) => kind === 'bias')!.value} to a score, a bias rather than a mask`,
        );
      return resolved;
    },
    verify: (resolved, outputs, batch) => {
      const seen = new Map<string, MaskFault[]>();
      return resolved.map((site) => {
        const tensor = maskTensor.get(site.layer);
        if (tensor === undefined || site.maskFaults.length > 0) return site;
        const { causal, padding, window } = site.maskSummary;
        const key = JSON.stringify([tensor, site.operatorCausal, causal, padding, window]);
        const maskFaults =
          seen.get(key) ??
          compareMask(checkedShape(site, siteMask(site, outputs), batch), batch, site.maskSummary)
            .faults;
        seen.set(key, maskFaults);
        return { ...site, maskFaults };
      });
    },
  };

  function sinksOf(
    site: AttentionSite,
    found: TensorData | string | null,
    { length }: MaskProbe,
  ): number[] | null {
    if (site.sink === null) return null;
    if (found === null) return Array.from({ length: sizes.heads }, () => 0);
    const numbers =
      typeof found === 'string'
        ? constantSinks(graph, found)!
        : Array.from(found.data as ArrayLike<number>, Number);
    if (numbers.length === sizes.heads) return numbers;
    // [B,H,S,1] of the full row: the same for every query.
    const sinks = Array.from({ length: sizes.heads }, (_, h) => numbers[h * length]!);
    const alike =
      typeof found !== 'string' &&
      found.dims[1] === sizes.heads &&
      found.dims[2] === length &&
      numbers
        .slice(0, sizes.heads * length)
        .every((value, i) => value === sinks[Math.floor(i / length)]);
    if (!alike)
      throw notRecognised(
        site,
        `the sink of its softmax (${site.sink.node}) is not one number for each head`,
      );
    return sinks;
  }

  function siteMask({ layer, mask, operatorCausal }: AttentionSite, outputs: Tensors): SiteMask {
    return {
      tensor: mask.kind === 'tensor' ? outputs[maskTensor.get(layer)!]! : null,
      operatorCausal,
    };
  }
}

/** Sinks that are stored as such; null where they have to be computed. */
function constantSinks(graph: OnnxGraph, tensor: string): number[] | null {
  return graph.initializers.has(tensor) ? (graph.values(tensor) ?? null) : null;
}

function zeros(dims: number[], type: DataType): TensorData {
  const length = dims.reduce((a, b) => a * b, 1);
  return {
    type: type === DataType.FLOAT16 ? 'float16' : 'float32',
    dims,
    data: new Float32Array(length),
  };
}

const FLOATS: ReadonlySet<number | undefined> = new Set([DataType.FLOAT, DataType.FLOAT16]);

type ShapeOf = (probe: MaskProbe) => number[];

/** Queries, keys and embeddings are cut: masks and scales depend on their shapes at most. */
function findCuts(
  graph: OnnxGraph,
  sites: readonly AttentionSite[],
  sizes: Sizes,
): { cuts: Map<string, ValueInfoProto>; shapes: Map<string, ShapeOf>; roles: Map<string, string> } {
  const roles = new Map<string, string>();
  const shapes = new Map<string, ShapeOf>();
  for (const { qkv } of sites) {
    if (qkv.kind !== 'heads') continue;
    const { heads, kvHeads, headDim } = sizes;
    const keyHeads = qkv.grouped ? kvHeads : heads;
    shapes.set(qkv.query, ({ size, length }) => [size, heads, length, headDim]);
    shapes.set(qkv.key, ({ size, length }) =>
      qkv.keyTransposed ? [size, keyHeads, headDim, length] : [size, keyHeads, length, headDim],
    );
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
  const cuts = new Map(
    [...shapes.keys()].map((name) => [name, makeValueInfo(name, types(name))] as const),
  );
  return { cuts, shapes, roles };
}

/** Relative distance below which a scale written as √s·√s in float32 is taken to be 1/√D. */
const SCALE_ROUNDING = 1e-6;

function scaleOf(
  site: AttentionSite,
  factors: readonly { divides: boolean; value: number | string }[],
  outputs: Tensors,
  headDim: number,
): number {
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

/** @throws AttnDiffError site-not-recognised for a mask of another shape */
function checkedShape(site: AttentionSite, mask: SiteMask, probe: MaskProbe): SiteMask {
  const problem = maskProblem(mask, probe);
  if (problem !== null) throw notRecognised(site, problem);
  return mask;
}

/** A mask that follows a rule of its own, and is as causal and as padded as it should be, is taken as it is; its window is compared elsewhere. */
function maskOf(
  site: AttentionSite,
  own: SiteMask,
  probe: MaskProbe,
  right: MaskRule,
): Pick<ResolvedSite, 'maskSummary' | 'fileMask' | 'maskFaults'> {
  if (!right.causal && right.window !== null)
    throw notRecognised(
      site,
      'config.json asks for attention in both directions within a sliding window, which is not supported',
    );
  if (site.mask.kind === 'lengths') {
    const fileMask: MaskSummary = {
      form: 'none',
      fill: null,
      causal: true,
      padding: true,
      window: site.mask.window,
    };
    return {
      maskSummary: { ...fileMask, causal: right.causal },
      fileMask,
      maskFaults: right.causal ? [] : [{ kind: 'hidden', query: 0, key: 1, value: null }],
    };
  }
  const analysis = analyseMask(own, probe);
  if ('problem' in analysis) throw notRecognised(site, analysis.problem);
  const { mask: fileMask, faults } = analysis;
  if (
    faults.length === 0 &&
    fileMask.causal === right.causal &&
    (fileMask.padding || !right.padding)
  )
    return { maskSummary: fileMask, fileMask, maskFaults: [] };
  const rule = faults.length === 0 ? { ...right, window: fileMask.window } : right;
  return {
    maskSummary: { ...fileMask, ...rule },
    fileMask,
    maskFaults: compareMask(own, probe, rule).faults,
  };
}

function notRecognised(site: AttentionSite, problem: string): AttnDiffError {
  return new AttnDiffError('site-not-recognised', {
    node: site.core.name || site.output,
    opType: site.core.opType,
    layer: site.layer,
    problem,
    remedy: 'report',
  });
}

import type { ResolvedSite } from '../attention/evaluate.js';
import type { AttentionSite } from '../attention/site.js';
import type { RunConfig } from '../config/index.js';
import { ROUNDING, type RoundingLimits } from '../metrics/index.js';
import { elementTypes } from '../onnx/elementType.js';
import { isMicrosoftOp, isOp, type OnnxGraph } from '../onnx/graph.js';
import { roundsProducts } from '../onnx/quantised.js';
import { DataType } from '../onnx/types.js';
import { sameComputation } from '../attention/settings.js';
import type { ImplementationInfo, Precision, ProviderName, Stream } from '../types.js';
import type { LoadedModel } from './load.js';
import { graphOn } from './runGraph.js';

/** What a graph computes in outside attention, told by its matrix products and by the rounding of activations. */
export function modelPrecision(graph: OnnxGraph): Precision {
  const types = elementTypes(graph);
  const { node: nodes } = graph.graph;
  if (
    roundsProducts(graph.graph) ||
    nodes.some((node) => isOp(node, 'DynamicQuantizeLinear', 'QuantizeLinear'))
  )
    return 'int8';
  const products = nodes.filter(
    (node) => isOp(node, 'MatMul', 'Gemm') || isMicrosoftOp(node, 'MatMulNBits', 'FusedMatMul'),
  );
  return products.some((node) => types(node.output[0]!) === DataType.FLOAT16) ? 'fp16' : 'fp32';
}

/** What the file's own attention computes in, whether casts behind its nodes emulate that, and what it is written in. */
export interface OwnPrecision extends Pick<ImplementationInfo, 'precision' | 'emulated'> {
  /** Another than `precision` where a bfloat16 file is run as float32. */
  written: Precision;
}

/**
 * The coarsest precision that the sites' own nodes are written in, or are rounded to where activations are; ONNX
 * Runtime's CPU provider may run fp16 ones in fp32.
 *
 * @param graph the one that runs
 */
export function originalPrecision(graph: OnnxGraph, sites: readonly AttentionSite[]): OwnPrecision {
  if (sites.some(({ quantisation }) => quantisation.length > 0))
    return { precision: 'int8', emulated: false, written: 'int8' };
  const typeOf = elementTypes(graph);
  const outputs = sites.flatMap(({ compute }) => compute.map(({ output }) => output[0]!));
  const written = coarsest(outputs.map(typeOf));
  if (written !== 'fp32') return { precision: written, emulated: false, written };
  const rounded = coarsest(
    outputs
      .map((output) => graph.producer(output))
      .map((node) => (isOp(node, 'Cast') ? typeOf(node.input[0]!) : DataType.FLOAT)),
  );
  return { precision: rounded, emulated: rounded !== 'fp32', written: rounded };
}

/** The same of the graph that a provider runs for a model, where what is asked for is what the file is written in. */
export function precisionOn(
  provider: ProviderName,
  loaded: Pick<LoadedModel, 'graph' | 'narrow'>,
  resolved: readonly ResolvedSite[],
  config: Pick<RunConfig, 'activations'>,
): OwnPrecision {
  const { graph, sites } = graphOn(provider, loaded, resolved, config);
  const own = originalPrecision(graph, sites);
  const { narrow } = loaded;
  return narrow === null || own.emulated
    ? own
    : { ...own, written: originalPrecision(narrow.graph, narrow.sites).precision };
}

function coarsest(types: readonly DataType[]): 'bf16' | 'fp16' | 'fp32' {
  return types.includes(DataType.BFLOAT16)
    ? 'bf16'
    : types.includes(DataType.FLOAT16)
      ? 'fp16'
      : 'fp32';
}

/**
 * What rounding explains of an implementation's difference from the reference: the coarsest of what takes part, and
 * nothing between two streams of the same computation, which are bit-identical.
 *
 * @param model what lies between the layers' attentions is computed in, perhaps by implementation
 */
export function roundingLimits(
  model: Precision | ((implementation: string) => Precision),
  implementations: readonly Pick<ImplementationInfo, 'name' | 'precision'>[],
  streams: readonly Stream[],
  reference: string,
): (implementation: string) => RoundingLimits {
  const streamOf = (label: string): Stream | undefined =>
    streams.find((stream) => stream.label === label);
  const rounding = (label: string, precision: Precision): number =>
    ROUNDING[precision === 'fp32' && multipliesInTf32(streamOf(label)) ? 'fp16' : precision];
  const of = (label: string): number =>
    rounding(label, implementations.find(({ name }) => name === label)?.precision ?? 'fp32');
  return (implementation) => {
    const [own, other] = [streamOf(implementation), streamOf(reference)];
    if (own && other && sameComputation(own, other)) return { local: 0, accumulated: 0 };
    const local = Math.max(of(implementation), of(reference));
    const between = typeof model === 'string' ? model : model(implementation);
    return {
      local,
      accumulated: Math.max(local, rounding(implementation, between), rounding(reference, between)),
    };
  };
}

/**
 * Whether a stream's float32 products are made of operands rounded to TF32, which has the 11 bits of fp16: cuBLAS does
 * so in ONNX Runtime's CUDA provider unless NVIDIA_TF32_OVERRIDE=0 is set.
 */
function multipliesInTf32(stream: Stream | undefined): boolean {
  const isNvidia = stream?.settings.provider === 'cuda' || stream?.settings.provider === 'tensorrt';
  return isNvidia && process.env['NVIDIA_TF32_OVERRIDE'] !== '0';
}

import { elementTypes } from '../../onnx/elementType.js';
import { uncast } from '../../onnx/dataFlow.js';
import { attribute, isOp, type OnnxGraph } from '../../onnx/graph.js';
import { memoised } from '../../onnx/memo.js';
import { DataType, type NodeProto } from '../../onnx/types.js';
import type { AttentionSite, MatchResult, Quantisation, ScaleFactor, Sink } from '../site.js';
import { matchProduct, type Product } from './product.js';
import { peelRepeatKv } from './repeatKv.js';
import { peelScale } from './scalars.js';

const PASS_THROUGH = ['Cast', 'Identity', 'Dropout'];

const PRECISIONS: Partial<Record<number, AttentionSite['softmaxPrecision']>> = {
  [DataType.FLOAT]: 'fp32',
  [DataType.FLOAT16]: 'fp16',
  [DataType.DOUBLE]: 'fp64',
  [DataType.BFLOAT16]: 'bf16',
};

/**
 * Matches attention that an exporter wrote out: Softmax between two MatMuls of computed tensors, with scale,
 * mask, casts and a NaN guard where the exporter puts them.
 *
 * @returns null for a Softmax that is not attention (it neither follows a product of two computed tensors nor weighs one)
 */
export function matchDecomposed(graph: OnnxGraph, softmax: NodeProto): MatchResult {
  const reject = (problem: string): MatchResult => ({ rejection: { node: softmax, problem } });
  const quantisation: Quantisation[] = [];
  const above = scoresAbove(graph, softmax, quantisation);
  if ('stoppedAt' in above)
    return weighsValues(graph, softmax)
      ? reject(
          `its scores are not QKᵀ with a scale and a mask: ${nodeName(above.stoppedAt)} stands before it`,
        )
      : null;
  const axis = attribute(softmax, 'axis');
  if (axis && axis.i !== -1n && axis.i !== 3n)
    return reject(`its axis is ${axis.i}, not the last one`);
  if (above.masks.length > 1) return reject(`${above.masks.length} masks are added to its scores`);
  const below = probabilitiesBelow(graph, softmax, quantisation);
  if (above.sink && below && !below.sliced)
    return reject(
      'its scores have a sink, and nothing takes the column of the sink off its result',
    );
  if (!below) return reject('its result does not go to a MatMul with the values');

  const { scores } = above;
  const query = peelQuery(graph, scores.left, quantisation);
  const key = peelKey(graph, scores, quantisation);
  const values = uncast(graph, dequantised(graph, below.product.right, quantisation));
  const value = peelRepeatKv(graph, values);
  if (key.grouped !== (value !== null))
    return reject('key and value heads are repeated differently');
  return {
    site: {
      form: 'decomposed',
      core: softmax,
      compute: [scores.node, softmax, below.product.node],
      qkv: {
        kind: 'heads',
        query: query.tensor,
        key: key.tensor,
        value: value ?? values,
        grouped: key.grouped,
        keyTransposed: key.transposed,
      },
      mask:
        above.masks.length === 0 ? { kind: 'none' } : { kind: 'tensor', tensor: above.masks[0]! },
      scaleFactors: [...above.factors, ...query.factors, ...key.factors],
      scaleConstant: scores.factor,
      softcap: null,
      sink: above.sink,
      operatorCausal: false,
      softmaxPrecision: softmaxPrecision(graph, softmax),
      nanGuard: below.nanGuard,
      quantisation,
      output: below.product.node.output[0]!,
      outputFlat: false,
    },
  };
}

/** Walks from the softmax up to QKᵀ, gathering masks and scales, or to the node that does not belong there. */
function scoresAbove(
  graph: OnnxGraph,
  softmax: NodeProto,
  quantisation: Quantisation[],
):
  | { scores: Product; masks: string[]; factors: ScaleFactor[]; sink: Sink | null }
  | { stoppedAt: NodeProto | undefined } {
  const masks: string[] = [];
  const factors: ScaleFactor[] = [];
  let sink: Sink | null = null;
  let tensor = softmax.input[0]!;
  for (;;) {
    tensor = dequantised(graph, tensor, quantisation);
    const node = graph.producer(tensor);
    const scores = matchProduct(graph, node);
    if (scores) return { scores, masks, factors, sink };
    const shifted = peelMaximum(graph, node);
    const joined: { scores: string; sink: Sink } | null =
      sink === null && masks.length <= 1 ? peelSink(graph, node) : null;
    const scaled = peelScale(graph, node);
    if (isOp(node, ...PASS_THROUGH)) tensor = node.input[0]!;
    else if (scaled) {
      factors.push({ tensor: scaled.tensor, divides: scaled.divides });
      tensor = scaled.rest;
    } else if (shifted !== null) tensor = shifted;
    else if (joined) {
      sink = joined.sink;
      tensor = joined.scores;
    } else if (isOp(node, 'Add')) {
      const branch = node.input.findIndex((input) => leadsToScores(graph, input));
      if (branch < 0) return { stoppedAt: node };
      masks.push(node.input[1 - branch]!);
      tensor = node.input[branch]!;
    } else return { stoppedAt: node };
  }
}

const scoreTests = new WeakMap<OnnxGraph, (tensor: string) => boolean>();

/** For x − max x, which changes nothing of a softmax: x; null for anything else. */
function peelMaximum(graph: OnnxGraph, node: NodeProto | undefined): string | null {
  const maximum = isOp(node, 'Sub') ? graph.producer(node.input[1]) : undefined;
  return isOp(maximum, 'ReduceMax') && maximum.input[0] === node!.input[0] ? node!.input[0]! : null;
}

/** For scores that one more column is put beside: both; null for anything else. */
function peelSink(
  graph: OnnxGraph,
  node: NodeProto | undefined,
): { scores: string; sink: Sink } | null {
  const axis = isOp(node, 'Concat') ? attribute(node, 'axis')?.i : undefined;
  if (!node || (axis !== -1n && axis !== 3n) || node.input.length !== 2) return null;
  const branch = node.input.findIndex((input) => leadsToScores(graph, input));
  return branch < 0
    ? null
    : {
        scores: node.input[branch]!,
        sink: { node: node.name || node.output[0]!, tensor: node.input[1 - branch]! },
      };
}

/** Whether a tensor is scores: reached from a MatMul of computed tensors through scales, casts and masks only. */
function leadsToScores(graph: OnnxGraph, from: string): boolean {
  const test = scoreTests.get(graph) ?? scoreTest(graph);
  scoreTests.set(graph, test);
  return test(from);
}

function scoreTest(graph: OnnxGraph): (tensor: string) => boolean {
  const sources = (tensor: string): string[] => {
    const node = graph.producer(dequantised(graph, tensor, []));
    if (matchProduct(graph, node)) return [];
    if (isOp(node, ...PASS_THROUGH)) return [node.input[0]!];
    const scaled = peelScale(graph, node);
    if (scaled) return [scaled.rest];
    return isOp(node, 'Add') ? node.input : [];
  };
  return memoised(
    sources,
    (tensor, isScores) =>
      matchProduct(graph, graph.producer(dequantised(graph, tensor, []))) !== null ||
      sources(tensor).some(isScores),
  );
}

/** Whether what leaves a softmax multiplies a computed tensor, as attention's probabilities do. */
function weighsValues(graph: OnnxGraph, softmax: NodeProto): boolean {
  return probabilitiesBelow(graph, softmax, []) !== null;
}

function nodeName(node: NodeProto | undefined): string {
  return node ? `${node.opType} '${node.name || node.output[0]}'` : 'a model input';
}

/** Goes around a pair of QuantizeLinear and DequantizeLinear, if one makes the tensor, and notes it. */
function dequantised(graph: OnnxGraph, tensor: string, quantisation: Quantisation[]): string {
  const dequantise = graph.producer(tensor);
  const quantise = isOp(dequantise, 'DequantizeLinear')
    ? graph.producer(dequantise.input[0])
    : undefined;
  if (!isOp(quantise, 'QuantizeLinear')) return tensor;
  const to = quantise.input[0]!;
  if (!quantisation.some(({ from }) => from === tensor)) quantisation.push({ from: tensor, to });
  return to;
}

/** Walks from the softmax down to PV, through casts, quantisation and the guard Where(IsNaN(P), 0, P). */
function probabilitiesBelow(
  graph: OnnxGraph,
  softmax: NodeProto,
  quantisation: Quantisation[],
): { product: Product; nanGuard: boolean; sliced: boolean } | null {
  let tensor = softmax.output[0]!;
  let nanGuard = false;
  let sliced = false;
  for (;;) {
    const consumers = graph.consumers(tensor);
    const isNan = consumers.find((node) => isOp(node, 'IsNaN'));
    const guard =
      isNan && consumers.find((node) => isOp(node, 'Where') && node.input[0] === isNan.output[0]);
    const next = guard ?? (consumers.length === 1 ? consumers[0] : undefined);
    const dequantise = isOp(next, 'QuantizeLinear')
      ? graph.consumers(next.output[0]!)[0]
      : undefined;
    const product = matchProduct(graph, next);
    if (guard) nanGuard = true;
    else if (isOp(dequantise, 'DequantizeLinear')) {
      tensor = dequantise.output[0]!;
      dequantised(graph, tensor, quantisation);
      continue;
    } else if (product)
      return product.left === tensor && !product.transposesRight && product.factor === 1
        ? { product, nanGuard, sliced }
        : null;
    else if (isOp(next, 'Slice')) sliced = true;
    else if (!isOp(next, ...PASS_THROUGH)) return null;
    tensor = next!.output[0]!;
  }
}

function peelQuery(
  graph: OnnxGraph,
  from: string,
  quantisation: Quantisation[],
): { tensor: string; factors: ScaleFactor[] } {
  const tensor = uncast(graph, dequantised(graph, from, quantisation));
  const scaled = peelScale(graph, graph.producer(tensor));
  return scaled
    ? {
        tensor: uncast(graph, scaled.rest),
        factors: [{ tensor: scaled.tensor, divides: scaled.divides }],
      }
    : { tensor, factors: [] };
}

/**
 * Takes the scale, the transposition and repeat_kv off a key, in whichever order they come. `transposed` tells that
 * no transposition was found, so that the tensor still is [B,H,D,T].
 */
function peelKey(
  graph: OnnxGraph,
  { right, transposesRight }: Product,
  quantisation: Quantisation[],
): { tensor: string; grouped: boolean; transposed: boolean; factors: ScaleFactor[] } {
  const factors: ScaleFactor[] = [];
  let tensor = right;
  let transposed = !transposesRight;
  let grouped = false;
  for (;;) {
    tensor = uncast(graph, dequantised(graph, tensor, quantisation));
    const node = graph.producer(tensor);
    const scaled = peelScale(graph, node);
    const swapped = transposed ? peelSwap(graph, node) : null;
    const repeated = !transposed && !grouped ? peelRepeatKv(graph, tensor) : null;
    if (scaled) {
      factors.push({ tensor: scaled.tensor, divides: scaled.divides });
      tensor = scaled.rest;
    } else if (swapped) {
      transposed = false;
      tensor = swapped;
    } else if (repeated) {
      grouped = true;
      tensor = repeated;
    } else return { tensor, grouped, transposed, factors };
  }
}

/** The tensor whose last two axes a node swaps: in 4D, or in 3D between two Reshapes, as torch's dynamo exporter writes it. */
function peelSwap(graph: OnnxGraph, node: NodeProto | undefined): string | null {
  const transposes = (candidate: NodeProto | undefined, perm: string): boolean =>
    isOp(candidate, 'Transpose') && attribute(candidate, 'perm')?.ints.join() === perm;
  if (transposes(node, '0,1,3,2')) return node!.input[0]!;
  const inner = isOp(node, 'Reshape') ? graph.producer(node.input[0]) : undefined;
  const flattened = transposes(inner, '0,2,1') ? graph.producer(inner!.input[0]) : undefined;
  return isOp(flattened, 'Reshape') ? flattened.input[0]! : null;
}

function softmaxPrecision(graph: OnnxGraph, softmax: NodeProto): AttentionSite['softmaxPrecision'] {
  return PRECISIONS[elementTypes(graph)(softmax.output[0]!)] ?? 'fp32';
}

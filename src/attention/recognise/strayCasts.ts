import { append } from '../../onnx/append.js';
import { elementTypes } from '../../onnx/elementType.js';
import { isMicrosoftOp, isOp, type OnnxGraph } from '../../onnx/graph.js';
import { DataType, type NodeProto } from '../../onnx/types.js';
import type { StrayCast } from '../../types.js';
import type { AttentionSite } from '../site.js';

/** Types that hold a float, by how many bits of precision they have. */
const BITS: Readonly<Partial<Record<DataType, { name: StrayCast['from']; bits: number }>>> = {
  [DataType.DOUBLE]: { name: 'fp64', bits: 53 },
  [DataType.FLOAT]: { name: 'fp32', bits: 24 },
  [DataType.FLOAT16]: { name: 'fp16', bits: 11 },
  [DataType.BFLOAT16]: { name: 'bf16', bits: 8 },
};

/** A cast that loses precision, and where in a layer's attention it is. */
export type LayerCast = StrayCast & { layer: number };

/**
 * Casts to a type of fewer bits in the attention of some layers, from the projections to what the attention's output is
 * projected by, that others do not have. What half of the layers or fewer do is taken for stray; what all do is how the
 * file was made.
 */
export function strayCasts(graph: OnnxGraph, sites: readonly AttentionSite[]): LayerCast[] {
  const all = sites.flatMap((site) => castsOf(graph, site));
  return all.filter((cast) => {
    const alike = new Set(
      all
        .filter(({ place, to }) => place === cast.place && to === cast.to)
        .map(({ layer }) => layer),
    );
    return 2 * alike.size <= sites.length && sites.length > 1;
  });
}

function castsOf(graph: OnnxGraph, site: AttentionSite): LayerCast[] {
  const typeOf = elementTypes(graph);
  return placesOf(graph, site).flatMap(({ place, nodes }) =>
    nodes.flatMap((node): LayerCast[] => {
      const [from, to] = [BITS[typeOf(node.input[0]!)], BITS[typeOf(node.output[0]!)]];
      if (!isOp(node, 'Cast') || !from || !to || to.bits >= from.bits) return [];
      return [
        {
          layer: site.layer,
          place,
          node: node.name || node.output[0]!,
          from: from.name,
          to: to.name as StrayCast['to'],
        },
      ];
    }),
  );
}

function placesOf(
  graph: OnnxGraph,
  site: AttentionSite,
): { place: StrayCast['place']; nodes: NodeProto[] }[] {
  const below = { place: 'output' as const, nodes: nodesBelow(graph, site.output) };
  const [product, softmax, values] = site.compute;
  const sources = new Set(site.mask.kind === 'tensor' ? [site.mask.tensor] : []);
  if (site.form !== 'decomposed') {
    const inputs = ['query', 'key', 'value'] as const;
    return [
      ...inputs.flatMap((place, i) =>
        site.core.input[i]
          ? [{ place, nodes: nodesAbove(graph, site.core.input[i], sources) }]
          : [],
      ),
      below,
    ];
  }
  const ends = new Set([...sources, product!.output[0]!, softmax!.output[0]!]);
  return [
    { place: 'query', nodes: nodesAbove(graph, product!.input[0]!, sources) },
    { place: 'key', nodes: nodesAbove(graph, product!.input[1]!, sources) },
    { place: 'value', nodes: nodesAbove(graph, values!.input[1]!, sources) },
    { place: 'scores', nodes: nodesAbove(graph, softmax!.input[0]!, ends) },
    { place: 'probabilities', nodes: nodesAbove(graph, values!.input[0]!, ends) },
    below,
  ];
}

/** The nodes that a tensor is computed by, up to the projections by weights; `ends` are tensors to stop at. */
function nodesAbove(graph: OnnxGraph, from: string, ends: ReadonlySet<string>): NodeProto[] {
  const found = new Set<NodeProto>();
  const open = [from];
  for (let tensor = open.pop(); tensor !== undefined; tensor = open.pop()) {
    const node = ends.has(tensor) ? undefined : graph.producer(tensor);
    if (!node || found.has(node) || isProjection(graph, node) || isOp(node, 'Shape')) continue;
    found.add(node);
    append(
      open,
      node.input.filter((input) => input !== ''),
    );
  }
  return [...found];
}

/** The nodes that read a site's output one after the other, up to the projection by a weight. */
function nodesBelow(graph: OnnxGraph, output: string): NodeProto[] {
  const found: NodeProto[] = [];
  for (let tensor = output; ;) {
    const readers = graph.consumers(tensor).filter((node) => !isOp(node, 'Shape'));
    const [node] = readers;
    if (readers.length !== 1 || !node || isProjection(graph, node) || found.includes(node))
      return found;
    found.push(node);
    tensor = node.output[0]!;
  }
}

/** A product with a weight, in whatever form weights are kept. */
function isProjection(graph: OnnxGraph, node: NodeProto): boolean {
  if (
    isMicrosoftOp(
      node,
      'MatMulNBits',
      'MatMulBnb4',
      'DynamicQuantizeMatMul',
      'MatMulIntegerToFloat',
    )
  )
    return true;
  if (isOp(node, 'MatMulInteger', 'Gemm')) return true;
  if (!isOp(node, 'MatMul') && !isMicrosoftOp(node, 'FusedMatMul')) return false;
  return node.input.some((input) => isWeight(graph, input));
}

/** A constant, or one that is transposed or dequantised where it is read. */
function isWeight(graph: OnnxGraph, tensor: string): boolean {
  if (graph.constant(tensor)) return true;
  const node = graph.producer(tensor);
  return (
    isOp(node, 'Transpose', 'DequantizeLinear', 'Cast', 'Identity') &&
    isWeight(graph, node.input[0]!)
  );
}

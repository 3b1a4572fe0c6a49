import { append } from '../../onnx/append.js';
import { isOp } from '../../onnx/graph.js';
import type { NodeProto } from '../../onnx/types.js';
import type { AttentionSite } from '../site.js';
import type { Projection, Projections } from './projections.js';

/** Which of a layer's norms; `final` is the one before the language-model head. */
export type NormPlace = 'input' | 'post-attention' | 'final';

/** A norm of the residual stream: `output` is computed from `input` alone. */
export interface StreamNorm {
  place: NormPlace;
  /** Null for the final one. */
  layer: number | null;
  input: string;
  output: string;
}

const NORMS = ['SimplifiedLayerNormalization', 'RMSNormalization', 'LayerNormalization'];
/** What a norm that is written out consists of, besides Add with a constant. */
const STEPS = [
  'Mul',
  'Div',
  'Cast',
  'Identity',
  'Pow',
  'Sqrt',
  'Reciprocal',
  'ReduceMean',
  'Sub',
  'Reshape',
  'Flatten',
  'Clip',
];

/** Finds the norms whose results the projections of a decoder read, by the way down the residual stream. */
export function streamNorms(
  projections: Projections,
  sites: readonly AttentionSite[],
  own: ReadonlyMap<Projection, number>,
): StreamNorm[] {
  const depths = depthsOf(projections, sites);
  const found = new Map<string, StreamNorm>();
  for (const projection of projections.byNode.values()) {
    const output = projection.input;
    const input = found.has(output) ? null : normInput(projections, output);
    if (input === null) continue;
    const layer = own.get(projection);
    const { attentions, layers } = depths(input);
    if (layer !== undefined) found.set(output, { place: 'input', layer, input, output });
    else if (layers === sites.length)
      found.set(output, { place: 'final', layer: null, input, output });
    else if (attentions === layers + 1)
      found.set(output, { place: 'post-attention', layer: sites[layers]!.layer, input, output });
  }
  // A router or an expert reads the same norm in another shape; the first is enough.
  const norms = [...found.values()];
  return norms.filter(
    ({ place, layer }, i) =>
      norms.findIndex((other) => other.place === place && other.layer === layer) === i,
  );
}

/** The one tensor that a norm's result is computed from; null where the tensor is no norm's result. */
function normInput({ graph, flow, byOutput }: Projections, output: string): string | null {
  const inputs = new Set<string>();
  const seen = new Set<string>();
  const open = [output];
  let averages = false;
  for (let tensor = open.pop(); tensor !== undefined; tensor = open.pop()) {
    if (seen.has(tensor)) continue;
    seen.add(tensor);
    const node = graph.producer(tensor);
    const isStep =
      isOp(node, ...STEPS, ...NORMS) || (isOp(node, 'Add') && node.input.some(flow.isConstant));
    const entersResidual =
      tensor !== output && graph.consumers(tensor).some((reader) => isSum(flow.isConstant, reader));
    if (!node || byOutput.has(tensor) || !isStep || entersResidual) {
      inputs.add(tensor);
      continue;
    }
    if (isOp(node, 'ReduceMean', ...NORMS)) averages = true;
    append(
      open,
      node.input.filter((input) => flow.isActivation(input)),
    );
  }
  return averages && inputs.size === 1 ? [...inputs][0]! : null;
}

/** Whether a node adds two computed tensors, as a residual connection does. */
function isSum(isConstant: (tensor: string) => boolean, node: NodeProto): boolean {
  return isOp(node, 'Add') && !node.input.some(isConstant);
}

/** How many attentions and whole layers lie above a tensor. */
function depthsOf(
  { graph }: Projections,
  sites: readonly AttentionSite[],
): (tensor: string) => { attentions: number; layers: number } {
  const attention = new Map(sites.map(({ output }, i) => [output, i + 1]));
  const layer = new Map(sites.map(({ hidden }, i) => [hidden, i + 1]));
  const attentions = new Map<string, number>();
  const layers = new Map<string, number>();
  const most = (known: ReadonlyMap<string, number>, node: NodeProto): number =>
    node.input.reduce((deepest, input) => Math.max(deepest, known.get(input) ?? 0), 0);
  for (const node of graph.graph.node) {
    const [a, l] = [most(attentions, node), most(layers, node)];
    for (const output of node.output) {
      attentions.set(output, attention.get(output) ?? a);
      layers.set(output, layer.get(output) ?? l);
    }
  }
  return (tensor) => ({ attentions: attentions.get(tensor) ?? 0, layers: layers.get(tensor) ?? 0 });
}

import { isOp, type OnnxGraph } from '../onnx/graph.js';
import type { NodeProto } from '../onnx/types.js';
import type { Step } from './implementations/types.js';
import type { AttentionSite } from './site.js';

/** A tensor that the file's own nodes make on the way through attention. */
export interface OwnStep {
  step: Exclude<Step, 'output'>;
  /** [B,H,S,T] */
  tensor: string;
}

/** How many nodes may lie between QKᵀ and the softmax. */
const MAX_STEPS = 16;

/**
 * The tensors between QKᵀ and PV of a site that the file writes out, in order: QKᵀ, what a scale makes of it, what the
 * mask makes of that, and what multiplies the values, which stands for the softmax. Casts count to the step before them.
 *
 * @param graph the graph that runs, which has the site's tensors under the same names
 * @returns null for a fused node, which shows none of them
 */
export function ownSteps(graph: OnnxGraph, site: AttentionSite): OwnStep[] | null {
  const [product, softmax, values] = site.compute.map((node) => asItRuns(graph, node));
  if (!product || !softmax || !values) return null;
  const path = pathUp(graph, softmax.input[0]!, product.output[0]!, MAX_STEPS);
  if (!path) return null;
  let step: OwnStep['step'] = 'scores';
  const above = path.toReversed().map((tensor): OwnStep => {
    const node = graph.producer(tensor);
    if (isOp(node, 'Mul', 'Div') && step === 'scores') step = 'scaled';
    if (isOp(node, 'Add', 'Where')) step = 'masked';
    return { step, tensor };
  });
  return [...above, { step: 'probabilities', tensor: values.input[0]! }];
}

/** A node of the file in the graph that runs: where activations are rounded, casts, and a scale taken out of it, stand behind it. */
export function asItRuns(
  graph: OnnxGraph,
  { opType, output: [tensor] }: NodeProto,
): NodeProto | undefined {
  let node = graph.producer(tensor);
  while (node?.opType !== opType && isOp(node, 'Cast', 'Mul')) node = graph.producer(node.input[0]);
  return node?.opType === opType ? node : undefined;
}

/** The tensors from one up to another that it is computed from, both included; null where there is no way of so many nodes. */
function pathUp(graph: OnnxGraph, from: string, to: string, steps: number): string[] | null {
  const readBy = new Map<string, string | null>([[from, null]]);
  let level = [from];
  for (let step = 0; step <= steps && !readBy.has(to); step++) {
    const above: string[] = [];
    for (const tensor of level) {
      for (const input of graph.producer(tensor)?.input ?? []) {
        if (readBy.has(input)) continue;
        readBy.set(input, tensor);
        above.push(input);
      }
    }
    level = above;
  }
  if (!readBy.has(to)) return null;
  const path: string[] = [];
  for (let tensor: string | null = to; tensor !== null; tensor = readBy.get(tensor)!)
    path.unshift(tensor);
  return path;
}

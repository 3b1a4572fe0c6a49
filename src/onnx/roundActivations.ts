import { TensorProtoSchema, ValueInfoProtoSchema } from 'onnx-buf';
import { append } from './append.js';
import { GraphBuilder } from './builder.js';
import { dataFlow, movedFrom, type DataFlow } from './dataFlow.js';
import { isMicrosoftOp, isOp, OnnxGraph } from './graph.js';
import { roundedTo, SMALLEST, type HalfType } from './half.js';
import { openFused } from './openFused.js';
import { sortNodes, withFields } from './rewrite.js';
import { fp32Islands } from './roundingIslands.js';
import { DataType, type ModelProto, type NodeProto } from './types.js';

/** Operators whose result holds no number that their inputs did not hold, but for its sign. */
const EXACT: ReadonlySet<string> = new Set(
  'Identity Cast CastLike Dropout Reshape Flatten Transpose Squeeze Unsqueeze Expand Tile Slice Split Concat Pad Trilu Where Compress Gather GatherElements GatherND Scatter ScatterElements ScatterND TopK OneHot Neg Abs Relu Clip Max Min ReduceMax ReduceMin'.split(
    ' ',
  ),
);
const QUANTISING = ['QuantizeLinear', 'DynamicQuantizeLinear'];
/** Quantised operators: their float constants are scales. */
const DEQUANTISING = [
  'MatMulNBits',
  'GatherBlockQuantized',
  'MatMulIntegerToFloat',
  'DynamicQuantizeMatMul',
  'MatMulBnb4',
  'QMoE',
];
/** Which input of a fused attention node is the additive mask. */
const MASK_INPUT: Readonly<Record<string, number>> = {
  Attention: 3,
  'com.microsoft:Attention': 5,
  'com.microsoft:MultiHeadAttention': 5,
  'com.microsoft:GroupQueryAttention': 10,
};

/**
 * Makes a float32 graph compute as PyTorch does when a whole Hugging Face model (Qwen2, Qwen3, as of transformers
 * 5.23) runs in bfloat16 or float16: every operation takes rounded operands, works in float32, and is rounded once,
 * to nearest even, by a Cast to the type and one back. Everything stays float32 by type. A tensor keeps its name,
 * which from here on stands for the rounded one.
 *
 * Rounded are
 * - weights: every float32 constant of more than one element that takes part in an activation, where it lies. One
 *   pair serves all uses; nothing is decoded. Single numbers (scales, epsilons) stay, as Python scalars do, and so
 *   do the scales of quantised weights;
 * - activations: what comes of an embedding or of a float input by arithmetic, logits included. Not what only moves
 *   numbers, nor what lies inside {@link fp32Islands}: RMSNorm, a product before its bias, SiLU's sigmoid, routing;
 * - what is computed beside them, where it meets them: cos and sin once, from angles in float32; an additive mask
 *   at its use, where a finite fill below the type's range becomes the type's finfo.min. −inf stays −inf. Masks,
 *   positions and shapes themselves are left alone.
 *
 * Overflow becomes ±inf, NaN stays NaN. Fused norms, rotary embeddings and scaled products are first taken apart by
 * {@link openFused}. Written-out attention then rounds as Hugging Face's eager does, whichever way its scale was
 * written. What cannot be opened is float32 inside and rounded at its outputs: `Attention` (as PyTorch's math kernel
 * of sdpa; its CPU flash kernel rounds the probabilities too), GroupQueryAttention and its like with the norm and the
 * rotary embedding in them, quantised products (their weights are not rounded), fused activations and MoE nodes.
 * Bodies of If and Loop are left alone.
 *
 * Nothing changes in a graph that computes in half precision already. A cache that is fed must hold rounded numbers;
 * the graph's own presents do.
 *
 * @param model of opset 13 or later, as {@link copyModel} makes it; changed in place, its nodes sorted
 */
export function roundActivations(model: ModelProto, type: HalfType): void {
  const given = new OnnxGraph(model);
  if (halfTypeOf(given) !== null) return;
  openFused(dataFlow(given));
  const graph = model.graph!;
  const flow = dataFlow(new OnnxGraph(model));
  const rounding = new Rounding(flow, type);
  for (const node of graph.node.filter(({ output }) => output.some(flow.isActivation)))
    rounding.visit(node);
  rounding.finish();
}

/** The half type that some activation of a graph, whose nodes are sorted, is computed in; null for none. */
export function halfTypeOf(model: OnnxGraph): HalfType | null {
  const { graph, typeOf, isActivation } = dataFlow(model);
  for (const node of graph.graph.node) {
    if (isOp(node, ...EXACT)) continue;
    for (const output of node.output) {
      const type = isActivation(output) ? typeOf(output) : null;
      if (type === DataType.FLOAT16 || type === DataType.BFLOAT16) return type;
    }
  }
  return null;
}

/** Whether a node's result holds no number that its inputs did not hold, but for its sign; a cast rounds. */
export function movesNumbers(node: NodeProto): boolean {
  return isOp(node, ...EXACT) && !isOp(node, 'Cast', 'CastLike');
}

class Rounding {
  readonly #flow: DataFlow;
  readonly #type: HalfType;
  readonly #builder: GraphBuilder;
  readonly #islands: ReturnType<typeof fp32Islands>;
  readonly #tensors = new Set<string>();
  readonly #masks = new Map<string, string>();
  /** Initializers, which may be many, by their new names. */
  readonly #renamed = new Map<string, string>();

  constructor(flow: DataFlow, type: HalfType) {
    this.#flow = flow;
    this.#type = type;
    this.#builder = new GraphBuilder(flow.graph.graph, flow.graph.names());
    this.#islands = fp32Islands(flow);
    for (const tensor of this.#islands.shores) this.#tensors.add(tensor);
  }

  /** Notes what of a node that computes activations is to be rounded, and puts rounded masks in. */
  visit(node: NodeProto): void {
    const { graph, typeOf, isActivation, isNumber } = this.#flow;
    if (isOp(node, ...QUANTISING) || multipliesScales(graph, node)) return;
    if (!isOp(node, ...EXACT) && !this.#islands.inside.has(node)) {
      for (const output of node.output)
        if (output !== '' && typeOf(output) === DataType.FLOAT) this.#tensors.add(output);
    }
    if (isOp(node, 'DequantizeLinear') || isMicrosoftOp(node, ...DEQUANTISING)) return;
    for (const [i, input] of node.input.entries()) {
      if (
        input === '' ||
        isActivation(input) ||
        typeOf(input) !== DataType.FLOAT ||
        isNumber(input)
      )
        continue;
      if (this.#isMask(node, i)) node.input[i] = this.#mask(input);
      else this.#tensors.add(this.#origin(input));
    }
  }

  /** Rounds what was noted. */
  finish(): void {
    const { graph } = this.#flow.graph;
    for (const tensor of this.#tensors) if (!this.#holdsType(tensor)) this.#round(tensor);
    const newName = <T extends { name: string }>({ name }: T): string =>
      this.#renamed.get(name) ?? name;
    graph.initializer = graph.initializer.map((item) =>
      withFields(TensorProtoSchema, item, { name: newName(item) }),
    );
    // Up to IR version 3 an initializer is a graph input too.
    graph.input = graph.input.map((item) =>
      withFields(ValueInfoProtoSchema, item, { name: newName(item) }),
    );
    append(graph.node, this.#builder.nodes);
    sortNodes(graph);
  }

  #isMask(node: NodeProto, input: number): boolean {
    const { graph, isConstant } = this.#flow;
    const tensor = node.input[input]!;
    if (isOp(node, 'Add'))
      return !isConstant(tensor) || (graph.constant(tensor)?.dims.length ?? 1) > 1;
    return (
      MASK_INPUT[node.domain === 'com.microsoft' ? `com.microsoft:${node.opType}` : node.opType] ===
      input
    );
  }

  /** The rounded mask; one that several nodes read is rounded once. */
  #mask(tensor: string): string {
    const builder = this.#builder;
    const known = this.#masks.get(tensor);
    if (known !== undefined) return known;
    const rounded = builder.within('rounded', () => {
      const smallest = builder.float(SMALLEST[this.#type]);
      const finite = builder.op('Greater', [tensor, builder.float(-Infinity)]);
      const below = builder.op('And', [finite, builder.op('Less', [tensor, smallest])]);
      return roundedTo(builder, builder.op('Where', [below, smallest, tensor]), this.#type);
    });
    this.#masks.set(tensor, rounded);
    return rounded;
  }

  /** The tensor that a weight or table begins with, behind nodes that only move it. */
  #origin(tensor: string): string {
    const { graph, typeOf } = this.#flow;
    const origin = movedFrom(graph, tensor);
    const node = graph.producer(origin);
    return isOp(node, 'Cast') && typeOf(node.input[0]!) === DataType.FLOAT
      ? this.#origin(node.input[0]!)
      : origin;
  }

  /** Whether a tensor was cast from the type, as bfloat16 weights are that the graph reads as float32. */
  #holdsType(tensor: string): boolean {
    const node = this.#flow.graph.producer(tensor);
    return isOp(node, 'Cast') && this.#flow.typeOf(node.input[0]!) === this.#type;
  }

  /** Puts a tensor's rounded values under its name, and the tensor itself under another. */
  #round(tensor: string): void {
    const builder = this.#builder;
    builder.within('rounded', () => {
      const raw = builder.name(tensor);
      const node = this.#flow.graph.producer(tensor);
      if (node) node.output = node.output.map((output) => (output === tensor ? raw : output));
      else this.#renamed.set(tensor, raw);
      roundedTo(builder, raw, this.#type);
      builder.nodes.at(-1)!.output = [tensor];
    });
  }
}

/** Whether a node multiplies the scale of a dynamically quantised activation with that of a weight. */
function multipliesScales(graph: OnnxGraph, node: NodeProto): boolean {
  return (
    isOp(node, 'Mul') &&
    node.input.some((input) => isOp(graph.producer(input), 'DynamicQuantizeLinear'))
  );
}

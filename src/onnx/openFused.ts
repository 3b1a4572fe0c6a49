import { GraphBuilder, makeAttribute } from './builder.js';
import { uncast, type DataFlow } from './dataFlow.js';
import { attribute, isMicrosoftOp, isOp, type OnnxGraph } from './graph.js';
import { sortNodes } from './rewrite.js';
import { makeTensor } from './tensor.js';
import type { NodeProto } from './types.js';

const SKIP_EPSILON = 1e-5;

/**
 * Takes fused nodes apart, in place, into nodes that PyTorch rounds one by one. Every tensor keeps its name, and in
 * float32 its value (a norm's to the last bit or so).
 *
 * - RMSNormalization, SimplifiedLayerNormalization → the same with a scale of ones, Mul(weight);
 * - SkipSimplifiedLayerNormalization without bias → Add, and as above;
 * - RotaryEmbedding (ai.onnx and com.microsoft) over whole heads → Add(x·cos, rotate_half(x)·sin), each product
 *   being the same operator with the other table zero. Where x is infinite its partner becomes NaN;
 * - FusedMatMul with a factor → FusedMatMul, Mul(factor);
 * - MatMul(Mul(q, a), Mul(k, b)) with numbers a and b, which is how exporters write sdpa → Mul(MatMul(q, k), a·b), as
 *   eager has it.
 *
 * Others stay closed.
 */
export function openFused(flow: DataFlow): void {
  const { graph } = flow.graph;
  const builder = new GraphBuilder(graph, flow.graph.names());
  const work = new Opening(builder, flow);
  graph.node = builder.within('opened', () => graph.node.filter((node) => !work.open(node)));
  graph.node.push(...builder.nodes);
  sortNodes(graph);
}

class Opening {
  readonly #builder: GraphBuilder;
  readonly #flow: DataFlow;
  readonly #index: OnnxGraph;
  readonly #ones = new Map<string, string>();

  constructor(builder: GraphBuilder, flow: DataFlow) {
    this.#builder = builder;
    this.#flow = flow;
    this.#index = flow.graph;
  }

  /** @returns whether others have taken the node's place, so that it is to go */
  open(node: NodeProto): boolean {
    if (isOp(node, 'RMSNormalization', 'SimplifiedLayerNormalization')) return this.#norm(node);
    if (isMicrosoftOp(node, 'SkipSimplifiedLayerNormalization')) return this.#skipNorm(node);
    if (isOp(node, 'RotaryEmbedding')) return this.#rotary(node, 1);
    if (isMicrosoftOp(node, 'RotaryEmbedding')) return this.#rotary(node, 2);
    if (isMicrosoftOp(node, 'FusedMatMul')) this.#takeOutFactor(node);
    if (isOp(node, 'MatMul')) this.#joinScales(node);
    return false;
  }

  #norm(node: NodeProto): boolean {
    const ones = this.#onesLike(node.input[1]!);
    if (ones === null || this.#reads(node.output.slice(1))) return false;
    const normalised = this.#builder.op(node.opType, [node.input[0]!, ones]);
    this.#last().attribute = node.attribute;
    this.#make(node.output[0]!, 'Mul', [normalised, node.input[1]!]);
    return true;
  }

  #skipNorm(node: NodeProto): boolean {
    const [input, skip, weight, bias] = node.input as [string, string, string, string?];
    const ones = this.#onesLike(weight);
    if (bias || ones === null || this.#reads(node.output.slice(1, 3))) return false;
    const sum = this.#make(node.output[3] || this.#builder.name('sum'), 'Add', [input, skip]);
    const normalised = this.#builder.op('SimplifiedLayerNormalization', [sum, ones], {
      axis: -1n,
      epsilon: attribute(node, 'epsilon')?.f ?? SKIP_EPSILON,
      stash_type: 1n,
    });
    this.#make(node.output[0]!, 'Mul', [normalised, weight]);
    return true;
  }

  #rotary(node: NodeProto, table: number): boolean {
    const flag = (name: string): boolean => (attribute(node, name)?.i ?? 0n) !== 0n;
    if (
      flag('rotary_embedding_dim') ||
      flag('is_packed_batching') ||
      (attribute(node, 'scale')?.f ?? 1) !== 1
    )
      return false;
    const zeros = this.#builder.op('ConstantOfShape', [
      this.#builder.op('Shape', [node.input[table]!]),
    ]);
    const [straight, turned] = [table + 1, table].map((left) => {
      const half = this.#builder.op(
        'RotaryEmbedding',
        node.input.with(left, zeros),
        {},
        node.domain,
      );
      this.#last().attribute = node.attribute;
      return half;
    });
    this.#make(node.output[0]!, 'Add', [straight!, turned!]);
    return true;
  }

  #takeOutFactor(node: NodeProto): void {
    const factor = attribute(node, 'alpha')?.f ?? 1;
    if (factor === 1) return;
    node.attribute = node.attribute.map((item) =>
      item.name === 'alpha' ? makeAttribute('alpha', 1) : item,
    );
    this.#scaleAfter(node, this.#builder.float(factor));
  }

  #joinScales(node: NodeProto): void {
    const scaled = node.input.map((input) => this.#scaledBy(input));
    const [left, right] = scaled;
    if (!left || !right) return;
    node.input = [left.rest, right.rest];
    this.#scaleAfter(node, this.#builder.op('Mul', [left.factor, right.factor]));
  }

  /** For an activation times a number: both. */
  #scaledBy(tensor: string): { rest: string; factor: string } | null {
    const { graph, isActivation, isNumber } = this.#flow;
    const node = graph.producer(uncast(graph, tensor));
    if (!isOp(node, 'Mul')) return null;
    const at = node.input.findIndex((input) => isNumber(input));
    const rest = node.input[1 - at];
    return at >= 0 && rest !== undefined && isActivation(rest)
      ? { rest, factor: node.input[at]! }
      : null;
  }

  #scaleAfter(node: NodeProto, factor: string): void {
    const [output] = node.output as [string];
    const product = this.#builder.name('product');
    node.output = [product];
    this.#make(output, 'Mul', [product, factor]);
  }

  #reads(tensors: readonly string[]): boolean {
    return tensors.some(
      (tensor) =>
        tensor !== '' &&
        (this.#index.consumers(tensor).length > 0 || this.#index.outputs.has(tensor)),
    );
  }

  /** A constant of ones of a constant's shape; null where the shape is not known. */
  #onesLike(weight: string): string | null {
    const dims = this.#index.constant(weight)?.dims.map(Number);
    if (!dims) return null;
    const key = dims.join();
    const known = this.#ones.get(key);
    if (known !== undefined) return known;
    const name = this.#builder.name('ones');
    const count = dims.reduce((a, b) => a * b, 1);
    this.#index.graph.initializer.push(
      makeTensor(
        name,
        'float32',
        Array.from({ length: count }, () => 1),
        dims,
      ),
    );
    this.#ones.set(key, name);
    return name;
  }

  #make(output: string, opType: string, inputs: readonly string[]): string {
    this.#builder.op(opType, inputs);
    this.#last().output = [output];
    return output;
  }

  #last(): NodeProto {
    return this.#builder.nodes.at(-1)!;
  }
}

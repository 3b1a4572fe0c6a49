import { numericValues } from './tensor.js';
import {
  AttributeType,
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
} from './types.js';

/**
 * A decoded graph with an index: who makes a tensor, who uses it, which tensors are constants.
 * The index is made once; after changing the graph make a new one.
 */
export class OnnxGraph {
  readonly model: ModelProto;
  readonly graph: GraphProto;
  readonly initializers = new Map<string, TensorProto>();
  readonly inputs: ReadonlySet<string>;
  readonly outputs: ReadonlySet<string>;
  readonly #producers = new Map<string, NodeProto>();
  readonly #consumers = new Map<string, NodeProto[]>();
  /** What {@link constant} found, so that a long chain is walked once. */
  readonly #constants = new Map<string, TensorProto | undefined>();

  constructor(model: ModelProto) {
    if (!model.graph) throw new Error('a model without a graph');
    this.model = model;
    this.graph = model.graph;
    for (const tensor of this.graph.initializer) this.initializers.set(tensor.name, tensor);
    this.inputs = new Set(
      this.graph.input.map((input) => input.name).filter((name) => !this.initializers.has(name)),
    );
    this.outputs = new Set(this.graph.output.map((output) => output.name));
    for (const node of this.graph.node) {
      for (const output of node.output) if (output !== '') this.#producers.set(output, node);
      for (const input of new Set(usedNames(node))) {
        const consumers = this.#consumers.get(input);
        if (consumers) consumers.push(node);
        else this.#consumers.set(input, [node]);
      }
    }
  }

  /** The node that makes a tensor; undefined for graph inputs and initializers. */
  producer(tensor: string | undefined): NodeProto | undefined {
    return tensor === undefined ? undefined : this.#producers.get(tensor);
  }

  /** The nodes that use a tensor, those whose nested graphs use it included. */
  consumers(tensor: string): readonly NodeProto[] {
    return this.#consumers.get(tensor) ?? [];
  }

  /** The tensor behind a name if it is an initializer or comes from a Constant node, through casts perhaps. */
  constant(name: string | undefined): TensorProto | undefined {
    const path: string[] = [];
    let found: TensorProto | undefined;
    for (let next = name; next !== undefined;) {
      if (this.#constants.has(next)) {
        found = this.#constants.get(next);
        break;
      }
      path.push(next);
      const node = this.initializers.has(next) ? undefined : this.producer(next);
      found =
        this.initializers.get(next) ??
        (node?.opType === 'Constant' ? attribute(node, 'value')?.t : undefined);
      next = isOp(node, 'Identity', 'Cast') ? node.input[0] : undefined;
    }
    for (const each of path) this.#constants.set(each, found);
    return found;
  }

  /** The values behind a name if it is a constant of plain numbers. */
  values(name: string | undefined): number[] | undefined {
    const node = this.producer(name);
    if (node?.opType === 'Constant') {
      const float = attribute(node, 'value_float');
      if (float) return [float.f];
      const int = attribute(node, 'value_int');
      if (int) return [Number(int.i)];
      const ints = attribute(node, 'value_ints');
      if (ints) return ints.ints.map(Number);
    }
    const tensor = this.constant(name);
    return tensor ? (numericValues(tensor) ?? undefined) : undefined;
  }

  /** Every tensor name in use, nested graphs included. */
  names(): Set<string> {
    const names = new Set<string>([
      ...this.initializers.keys(),
      ...this.graph.input.map((input) => input.name),
    ]);
    for (const node of this.graph.node)
      for (const name of [...node.output, ...usedNames(node)]) names.add(name);
    return names;
  }
}

/** `ai.onnx` and the empty string are the same operator domain. */
export function normalDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

/** A node's attribute by name. */
export function attribute(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute.find((item) => item.name === name);
}

declare const matched: unique symbol;
/** A node that is known to be there; branded so that a failed test does not narrow it away. */
type Matched = NodeProto & { readonly [matched]: true };

/** Whether a node is one of the given operators of the ai.onnx domain. */
export function isOp(node: NodeProto | undefined, ...opTypes: string[]): node is Matched {
  return node !== undefined && normalDomain(node.domain) === '' && opTypes.includes(node.opType);
}

/** Whether a node is one of the given operators of the com.microsoft domain. */
export function isMicrosoftOp(node: NodeProto | undefined, ...opTypes: string[]): node is Matched {
  return node?.domain === 'com.microsoft' && opTypes.includes(node.opType);
}

/** The graphs nested in a node's attributes (If, Loop, Scan). */
export function nestedGraphs(node: NodeProto): GraphProto[] {
  return node.attribute.flatMap((item) => {
    if (item.type === AttributeType.GRAPH && item.g) return [item.g];
    return item.type === AttributeType.GRAPHS ? item.graphs : [];
  });
}

/** Names that a node reads: its inputs and what its nested graphs may take from outside. */
export function usedNames(node: NodeProto): string[] {
  const own = node.input.filter((name) => name !== '');
  return [
    ...own,
    ...nestedGraphs(node).flatMap((graph) => [
      ...graph.node.flatMap(usedNames),
      ...graph.output.map((output) => output.name),
    ]),
  ];
}

/** Names that a node takes from the graph that it stands in: what its nested graphs make themselves is theirs, whatever else is called so. */
export function readNames(node: NodeProto): string[] {
  const own = node.input.filter((name) => name !== '');
  return [
    ...own,
    ...nestedGraphs(node).flatMap((graph) => {
      const made = new Set([...graph.input, ...graph.initializer].map(({ name }) => name));
      for (const inner of graph.node) for (const output of inner.output) made.add(output);
      return [...graph.node.flatMap(readNames), ...graph.output.map(({ name }) => name)].filter(
        (name) => !made.has(name),
      );
    }),
  ];
}

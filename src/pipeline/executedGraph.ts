import { isDeepStrictEqual } from 'node:util';
import { append } from '../onnx/append.js';
import { computesNumbers } from '../onnx/dataFlow.js';
import { normalDomain, usedNames, type OnnxGraph } from '../onnx/graph.js';
import type { NodeProto } from '../onnx/types.js';
import type { ExecutedNode } from '../runners/types.js';

/** How far above two nodes their inputs may part and the nodes still be told to be one computation. */
const MOST_STEPS = 12;
/** Characters that the runtime adds to the name of a node that it fuses, at most. */
const MOST_ADDED = 64;

/**
 * A graph that was handed to ONNX Runtime, beside what its profile says was executed. A node that the runtime runs as
 * it is keeps its name; one that it fuses, merges with another or expands into several goes by another name, or by none.
 */
export class ExecutedGraph {
  readonly graph: OnnxGraph;
  readonly #executed: readonly ExecutedNode[];
  /** Where in the order of execution each name stands. */
  readonly #places: ReadonlyMap<string, number>;
  /** Places of the nodes that compute and that the graph does not have, with the node after which each is named. */
  readonly #made: readonly { place: number; after: string | null }[];

  constructor(graph: OnnxGraph, executed: readonly ExecutedNode[]) {
    this.graph = graph;
    this.#executed = executed;
    this.#places = new Map(executed.map(({ name }, i) => [name, i]));
    const given = new Set(graph.graph.node.map(({ name }) => name));
    this.#made = executed.flatMap(({ name, opType }, place) =>
      given.has(name) || !computesNumbers(opType)
        ? []
        : [{ place, after: isNameless(name, opType) ? null : beginningOf(name, given) }],
    );
  }

  /**
   * What ran of a node: the node itself; else what is named after it; else another node of the same computation; else
   * the nodes that stand in its place, which ran after all that it takes and before all that takes it, and are in the
   * graph under no name. Empty where nothing is seen.
   */
  ran(node: NodeProto): readonly ExecutedNode[] {
    const own = this.#seen(node);
    if (own) return [own];
    const named = this.#made.filter(({ after }) => after !== null && after === node.name);
    if (named.length > 0) return named.map(({ place }) => this.#executed[place]!);
    const twin = this.#twinOf(node);
    return twin ? [twin] : this.#inPlaceOf(node);
  }

  #placeOf({ name }: NodeProto): number | undefined {
    return name === '' ? undefined : this.#places.get(name);
  }

  #seen(node: NodeProto): ExecutedNode | undefined {
    const place = this.#placeOf(node);
    return place === undefined ? undefined : this.#executed[place];
  }

  /** A node that ran and computes the same of the same: ONNX Runtime runs one of several such nodes. */
  #twinOf(node: NodeProto): ExecutedNode | undefined {
    const { graph } = this.graph;
    const twin = graph.node.find(
      (other) =>
        other !== node &&
        other.opType === node.opType &&
        this.#seen(other) !== undefined &&
        this.#areAlike(node, other, MOST_STEPS),
    );
    return twin && this.#seen(twin);
  }

  #areAlike(one: NodeProto, other: NodeProto, steps: number): boolean {
    if (one === other) return true;
    if (
      steps === 0 ||
      one.opType !== other.opType ||
      normalDomain(one.domain) !== normalDomain(other.domain) ||
      one.input.length !== other.input.length
    )
      return false;
    const inputsAgree = one.input.every((input, i) => {
      const against = other.input[i]!;
      if (input === against) return true;
      const [a, b] = [this.graph.producer(input), this.graph.producer(against)];
      return (
        a !== undefined &&
        b !== undefined &&
        a.output.indexOf(input) === b.output.indexOf(against) &&
        this.#areAlike(a, b, steps - 1)
      );
    });
    return inputsAgree && isDeepStrictEqual(one.attribute, other.attribute);
  }

  #inPlaceOf(node: NodeProto): ExecutedNode[] {
    const after = this.#nearest(this.#makersFor(node), (above) => this.#makersFor(above)).reduce(
      (a, b) => Math.max(a, b),
      -1,
    );
    const before = this.#nearest(this.#readersOf(node), (below) => this.#readersOf(below)).reduce(
      (a, b) => Math.min(a, b),
      this.#executed.length,
    );
    return this.#made
      .filter(({ place, after: name }) => name === null && place > after && place < before)
      .map(({ place }) => this.#executed[place]!);
  }

  #makersFor(node: NodeProto): NodeProto[] {
    return usedNames(node).flatMap((input) => this.graph.producer(input) ?? []);
  }

  #readersOf({ output }: NodeProto): NodeProto[] {
    return output.flatMap((tensor) => [...this.graph.consumers(tensor)]);
  }

  /** Places of the first nodes that were seen to run on each way from some nodes. */
  #nearest(from: readonly NodeProto[], next: (node: NodeProto) => readonly NodeProto[]): number[] {
    const places: number[] = [];
    const visited = new Set<NodeProto>();
    const open = [...from];
    while (open.length > 0) {
      const node = open.pop()!;
      if (visited.has(node)) continue;
      visited.add(node);
      const place = this.#placeOf(node);
      if (place === undefined) append(open, next(node));
      else places.push(place);
    }
    return places;
  }
}

/** Whether a profile calls a node by its operator and its number, since the node has no name. */
function isNameless(name: string, opType: string): boolean {
  return name.startsWith(`${opType}_`) && /^\d+$/.test(name.slice(opType.length + 1));
}

/** The longest of some names that another name is made of, with little behind it; null where there is none. */
function beginningOf(name: string, given: ReadonlySet<string>): string | null {
  for (let length = name.length - 1; length > 0 && length >= name.length - MOST_ADDED; length--) {
    const beginning = name.slice(0, length);
    if (given.has(beginning)) return beginning;
  }
  return null;
}

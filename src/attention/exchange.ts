import type { GraphBuilder } from '../onnx/builder.js';
import type { DataType } from '../onnx/types.js';

/**
 * A tensor of one layer that one graph hands to another: the reference's `query`, `key` and `value` as the local scope
 * has them; what the `reference` and the `truth` make in their own streams, and of those Q, K and V (`local…`); their
 * `hidden…` states; and `input0`, `input1`, …, what enters the file's own nodes in the reference's stream.
 */
export interface SharedOutput {
  /** `layer3/query`; the other graph's input is `attn_diff/given/layer3/query`. */
  key: string;
  output: string;
  type: DataType;
}

/** The input by which a graph takes what another shares. */
export function givenInput(key: string): string {
  return `attn_diff/given/${key}`;
}

/**
 * Tensors of the reference's stream that graphs hand to each other, so that streams of another graph, on another
 * provider, are held against it: a graph either gives them out, or takes them as inputs, or does neither.
 */
export class Exchange {
  readonly shared: SharedOutput[] = [];
  /** Whether this graph takes the reference from another. */
  readonly isTaking: boolean;
  readonly #builder: GraphBuilder;
  readonly #isGiving: boolean;
  readonly #given: ReadonlyMap<string, DataType>;
  readonly #taken = new Set<string>();
  readonly #outputs = new Map<string, string>();

  constructor(
    builder: GraphBuilder,
    isGiving: boolean,
    given: readonly Pick<SharedOutput, 'key' | 'type'>[] | null,
  ) {
    this.#builder = builder;
    this.#isGiving = isGiving;
    this.isTaking = given !== null;
    this.#given = new Map((given ?? []).map(({ key, type }) => [key, type]));
  }

  /**
   * The tensor to go on with: the one given by the other graph, or this graph's own, which is given out besides.
   *
   * @param own left out where the graph has none of its own
   * @param type of this graph's own
   */
  pass(key: string, own: string | undefined, type: DataType): string {
    if (this.isTaking) return this.#take(key);
    if (own === undefined) throw new Error(`there is no ${key} to go on with`);
    if (this.#isGiving) this.#give(key, own, type);
    return own;
  }

  #take(key: string): string {
    const type = this.#given.get(key);
    if (type === undefined) throw new Error(`${key} is not given`);
    const name = givenInput(key);
    // Of open rank: what enters a file's own nodes has the exporter's shape.
    if (!this.#taken.has(name)) this.#builder.input(name, type);
    this.#taken.add(name);
    return name;
  }

  #give(key: string, tensor: string, type: DataType): void {
    const known = this.#outputs.get(tensor);
    const output =
      known ?? this.#builder.within('shared', () => this.#builder.op('Identity', [tensor]));
    if (known === undefined) this.#builder.output(output, type);
    this.#outputs.set(tensor, output);
    this.shared.push({ key, output, type });
  }
}

import { create } from '@bufbuild/protobuf';
import {
  AttributeProtoSchema,
  NodeProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { makeTensor } from './tensor.js';
import {
  AttributeType,
  DataType,
  type AttributeProto,
  type GraphProto,
  type NodeProto,
  type ValueInfoProto,
} from './types.js';

export type AttributeValue = number | bigint | string | readonly number[];

/** An attribute's value with its ONNX type: integers are bigint, so that 1 and 1.0 stay apart. */
export function makeAttribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'bigint')
    return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: value });
  if (typeof value === 'number')
    return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value });
  if (typeof value === 'string')
    return create(AttributeProtoSchema, {
      name,
      type: AttributeType.STRING,
      s: new Uint8Array(new TextEncoder().encode(value)),
    });
  return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: value.map(BigInt) });
}

/** A graph input or output; symbolic dims are strings. Without a shape the rank stays open, with UNDEFINED the type too. */
export function makeValueInfo(
  name: string,
  elemType: DataType,
  shape?: readonly (number | string)[],
): ValueInfoProto {
  if (elemType === DataType.UNDEFINED) return create(ValueInfoProtoSchema, { name });
  const dim = shape?.map((size) =>
    create(TensorShapeProto_DimensionSchema, {
      value:
        typeof size === 'number'
          ? { case: 'dimValue', value: BigInt(size) }
          : { case: 'dimParam', value: size },
    }),
  );
  const tensor = create(
    TypeProto_TensorSchema,
    dim ? { elemType, shape: create(TensorShapeProtoSchema, { dim }) } : { elemType },
  );
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, { value: { case: 'tensorType', value: tensor } }),
  });
}

/**
 * Appends nodes to a graph, with names that clash with nothing already there. Constants of equal value are shared.
 * Every method returns the name of the tensor it makes.
 */
export class GraphBuilder {
  readonly nodes: NodeProto[] = [];
  readonly #graph: GraphProto;
  readonly #taken: Set<string>;
  readonly #constants = new Map<string, string>();
  /** How often each name was asked for, so that the next free one is found at once. */
  readonly #counts = new Map<string, number>();
  #scope = 'attn_diff';

  /** @param taken names already in use in the graph, nested graphs included */
  constructor(graph: GraphProto, taken: Set<string>) {
    this.#graph = graph;
    this.#taken = taken;
  }

  /** Names what is built inside `build` after `scope`, so that a profile tells whose node it is. */
  within<T>(scope: string, build: () => T): T {
    const outer = this.#scope;
    this.#scope = `${outer}/${scope}`;
    try {
      return build();
    } finally {
      this.#scope = outer;
    }
  }

  name(hint: string): string {
    const base = `${this.#scope}/${hint}`;
    let name = base;
    let count = this.#counts.get(base) ?? 0;
    while (this.#taken.has(name)) name = `${base}_${++count}`;
    this.#counts.set(base, count);
    this.#taken.add(name);
    return name;
  }

  /** Adds a node with one output. An empty input name is an optional input left out. */
  op(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    domain = '',
  ): string {
    return this.ops(opType, inputs, 1, attributes, domain)[0]!;
  }

  /** Adds a node with several outputs. */
  ops(
    opType: string,
    inputs: readonly string[],
    outputs: number,
    attributes: Readonly<Record<string, AttributeValue>> = {},
    domain = '',
  ): string[] {
    const name = this.name(opType);
    const output =
      outputs === 1
        ? [name]
        : Array.from({ length: outputs }, (_, i) => this.name(`${opType}.${i}`));
    const attribute = Object.entries(attributes).map(([key, value]) => makeAttribute(key, value));
    this.nodes.push(
      create(NodeProtoSchema, { name, opType, domain, input: [...inputs], output, attribute }),
    );
    return output;
  }

  float(value: number, type: 'float32' | 'float64' = 'float32'): string {
    return this.#constant(type, [value], []);
  }

  /** A tensor of these dims. */
  floats(
    values: readonly number[],
    dims: readonly number[],
    type: 'float32' | 'float64' = 'float32',
  ): string {
    return this.#constant(type, [...values], [...dims]);
  }

  /** An int64 vector. */
  ints(...values: number[]): string {
    return this.#constant('int64', values, [values.length]);
  }

  int(value: number): string {
    return this.#constant('int64', [value], []);
  }

  cast(tensor: string, to: DataType): string {
    return this.op('Cast', [tensor], { to: BigInt(to) });
  }

  reshape(tensor: string, shape: string): string {
    return this.op('Reshape', [tensor, shape]);
  }

  /** Reshape to constant dims; 0 copies a dim, −1 infers one. */
  reshapeTo(tensor: string, ...dims: number[]): string {
    return this.reshape(tensor, this.ints(...dims));
  }

  transpose(tensor: string, ...perm: number[]): string {
    return this.op('Transpose', [tensor], { perm });
  }

  input(name: string, type: DataType, shape?: readonly (number | string)[]): string {
    this.#taken.add(name);
    this.#graph.input.push(makeValueInfo(name, type, shape));
    return name;
  }

  output(tensor: string, type: DataType): void {
    this.#graph.output.push(makeValueInfo(tensor, type));
  }

  #constant(type: 'float32' | 'float64' | 'int64', values: number[], dims: number[]): string {
    const key = `${type}|${dims.join('x')}|${values.map((value) => (Object.is(value, -0) ? '-0' : String(value))).join(',')}`;
    const known = this.#constants.get(key);
    if (known) return known;
    let name = `attn_diff/constant_${this.#constants.size}`;
    for (let count = 1; this.#taken.has(name); count++)
      name = `attn_diff/constant_${this.#constants.size}_${count}`;
    this.#taken.add(name);
    this.#graph.initializer.push(makeTensor(name, type, values, dims));
    this.#constants.set(key, name);
    return name;
  }
}

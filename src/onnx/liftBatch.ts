import { GraphBuilder, makeAttribute, makeValueInfo } from './builder.js';
import { attribute, isOp, OnnxGraph } from './graph.js';
import { tensorInfo } from './inputs.js';
import { sortNodes } from './rewrite.js';
import { makeTensor } from './tensor.js';
import { DataType, type GraphProto, type ModelProto, type NodeProto } from './types.js';

const OPEN = 'batch';
/** Constants longer than this are no indices of a batch. */
const MOST_VALUES = 2 ** 20;

/**
 * Opens the batch axis of a graph that was exported for one size, in place: in the shapes that it declares, in the
 * constants to which its nodes reshape and expand, and in those that count the rows of the batch. Whether that is enough
 * only running it shows.
 *
 * @param size the batch that the file is for
 * @param axes by the name of an input, where its batch axis is
 */
export function liftBatch(
  model: ModelProto,
  size: number,
  axes: ReadonlyMap<string, number>,
): void {
  const graph = model.graph!;
  const lift = new Lift(model, size, axes);
  graph.input = graph.input.map((value) => {
    const axis = axes.get(value.name);
    return axis === undefined ? value : opened(value, axis);
  });
  graph.output = graph.output.map((value) =>
    tensorInfo(value).shape[0] === size ? opened(value, 0) : value,
  );
  graph.valueInfo = [];
  for (const node of graph.node) lift.node(node);
  graph.node.push(...lift.builder.nodes);
  sortNodes(graph);
}

function opened(value: GraphProto['input'][number], axis: number): GraphProto['input'][number] {
  const { name, type, shape } = tensorInfo(value);
  return makeValueInfo(
    name,
    type,
    shape.map((dim, i) => (i === axis ? OPEN : (dim ?? `${name}_${i}`))),
  );
}

class Lift {
  readonly builder: GraphBuilder;
  readonly #graph: GraphProto;
  readonly #index: OnnxGraph;
  readonly #size: number;
  readonly #axes: ReadonlyMap<string, number>;

  constructor(model: ModelProto, size: number, axes: ReadonlyMap<string, number>) {
    this.#graph = model.graph!;
    this.#index = new OnnxGraph(model);
    this.builder = new GraphBuilder(model.graph!, this.#index.names());
    this.#size = size;
    this.#axes = axes;
  }

  node(node: NodeProto): void {
    if (isOp(node, 'Reshape')) this.#reshape(node);
    else if (isOp(node, 'Expand')) this.#expand(node);
    else if (isOp(node, 'GatherND')) this.#gather(node);
    else if (isOp(node, 'Mul', 'Add')) this.#count(node);
  }

  /** The first axis follows from the others, whatever it is; where another one does, it is that of the input. */
  #reshape(node: NodeProto): void {
    const [first, ...rest] = this.#index.values(node.input[1]) ?? [];
    if (first === undefined || first <= 0 || rest.includes(0)) return;
    if (!rest.includes(-1)) node.input[1] = this.builder.ints(-1, ...rest);
    else if (first === this.#size && rest.length > 1) {
      node.input[1] = this.builder.ints(0, ...rest);
      node.attribute = node.attribute.filter(({ name }) => name !== 'allowzero');
    }
  }

  /** Expanding to 1 leaves an axis as it is. */
  #expand(node: NodeProto): void {
    const [first, ...rest] = this.#index.values(node.input[1]) ?? [];
    if (first === this.#size && this.#size !== 1) node.input[1] = this.builder.ints(1, ...rest);
  }

  /** Indices that name the row of the batch become indices within each row. */
  #gather(node: NodeProto): void {
    const dims = this.#index.constant(node.input[1])?.dims.map(Number) ?? [];
    const width = dims.at(-1) ?? 0;
    if (
      dims.length < 2 ||
      dims[0] !== this.#size ||
      width < 2 ||
      product(dims) > MOST_VALUES ||
      (attribute(node, 'batch_dims')?.i ?? 0n) !== 0n
    )
      return;
    const values = this.#index.values(node.input[1]) ?? [];
    const perRow = values.length / this.#size;
    if (
      values.length === 0 ||
      !values.every((value, i) => i % width !== 0 || value === Math.floor(i / perRow))
    )
      return;
    const within = values.slice(0, perRow).filter((_, i) => i % width !== 0);
    const own = [...dims.slice(1, -1), width - 1];
    const shape = this.builder.op('Concat', [this.#rows(), this.builder.ints(...own)], {
      axis: 0n,
    });
    node.input[1] = this.builder.op('Expand', [this.#constant(within, [1, ...own]), shape]);
    node.attribute = [
      ...node.attribute.filter(({ name }) => name !== 'batch_dims'),
      makeAttribute('batch_dims', 1n),
    ];
  }

  /** A constant [size, 1, …] of 0 to size − 1 counts rows. */
  #count(node: NodeProto): void {
    for (const [place, name] of node.input.entries()) {
      const constant = this.#index.constant(name);
      const dims = constant?.dims.map(Number) ?? [];
      if (
        constant?.dataType !== DataType.INT64 ||
        dims.length < 3 ||
        dims[0] !== this.#size ||
        product(dims) !== this.#size
      )
        continue;
      const values = this.#index.values(name);
      if (!values?.every((value, i) => value === i)) continue;
      const rows = this.builder.op('Range', [
        this.builder.int(0),
        this.builder.op('Squeeze', [this.#rows(), this.builder.ints(0)]),
        this.builder.int(1),
      ]);
      node.input[place] = this.builder.op('Unsqueeze', [
        rows,
        this.builder.ints(...dims.slice(1).map((_, axis) => axis + 1)),
      ]);
    }
  }

  /** How many rows there are: int64 [1]. */
  #rows(): string {
    const [name, axis] = [...this.#axes][0]!;
    return this.builder.op('Gather', [this.builder.op('Shape', [name]), this.builder.ints(axis)], {
      axis: 0n,
    });
  }

  #constant(values: readonly number[], dims: readonly number[]): string {
    const name = this.builder.name('indices');
    this.#graph.initializer.push(makeTensor(name, 'int64', values, dims));
    return name;
  }
}

function product(dims: readonly number[]): number {
  return dims.reduce((a, b) => a * b, 1);
}

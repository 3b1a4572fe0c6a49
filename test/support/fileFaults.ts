import { TensorProtoSchema, AttributeProtoSchema } from 'onnx-buf';
import { attribute, isOp, OnnxGraph } from '../../src/onnx/graph.js';
import { replaceUses, withFields } from '../../src/onnx/rewrite.js';
import { makeTensor, numericValues } from '../../src/onnx/tensor.js';
import type { ModelProto, NodeProto } from '../../src/onnx/types.js';
import type { AttentionSite } from '../../src/attention/site.js';
import { insert, producerOf } from './mutate.js';

/** What a fault is planted into: a copy of a model, and one of its layers. */
export interface Planting {
  model: ModelProto;
  site: AttentionSite;
  sites: readonly AttentionSite[];
}

/** A fault of a file that every implementation inherits. */
export type FileFault = (planting: Planting) => void;

const heads = ({ qkv }: AttentionSite): Extract<AttentionSite['qkv'], { kind: 'heads' }> => {
  if (qkv.kind !== 'heads') throw new Error('this fault is planted between heads');
  return qkv;
};

function nodes({ model }: Planting): NodeProto[] {
  return model.graph!.node;
}

/** Nodes above a tensor, the nearest first. */
export function above({ model }: Planting, tensor: string): NodeProto[] {
  const graph = new OnnxGraph(model);
  const found = new Set<NodeProto>();
  const open = [tensor];
  for (let name = open.shift(); name !== undefined; name = open.shift()) {
    const node = graph.producer(name);
    if (!node || found.has(node)) continue;
    found.add(node);
    open.push(...node.input);
  }
  return [...found];
}

const readers = (planting: Planting, tensor: string): NodeProto[] =>
  nodes(planting).filter(({ input, opType }) => input.includes(tensor) && opType !== 'Shape');

/** Puts a node between a tensor and all that read it. */
function afterwards(planting: Planting, tensor: string, build: Parameters<typeof insert>[3]): void {
  for (const reader of readers(planting, tensor)) insert(planting.model, tensor, reader, build);
}

/** The written-out rotary embedding above a tensor: Add(Mul(x, cos), Mul(rotated x, sin)). */
function rotaryOf(
  planting: Planting,
  tensor: string,
): { sum: NodeProto; straight: NodeProto; turned: NodeProto } {
  const graph = new OnnxGraph(planting.model);
  const sum = above(planting, tensor).find(
    (node) => isOp(node, 'Add') && node.input.every((input) => isOp(graph.producer(input), 'Mul')),
  )!;
  const [straight, turned] = sum.input.map((input) => graph.producer(input)!) as [
    NodeProto,
    NodeProto,
  ];
  return { sum, straight, turned };
}

/** Writes another value into a Constant node or an initializer. */
export function setConstant(
  planting: Planting,
  tensor: string,
  change: (values: number[]) => number[],
): void {
  const { model } = planting;
  const at = model.graph!.initializer.findIndex(({ name }) => name === tensor);
  const constant = at < 0 ? producerOf(model, tensor)! : null;
  const old = at < 0 ? attribute(constant!, 'value')!.t! : model.graph!.initializer[at]!;
  const type = old.dataType === 1 ? 'float32' : 'int64';
  const made = withFields(
    TensorProtoSchema,
    makeTensor(old.name, type, change(numericValues(old)!), []),
    { dims: old.dims },
  );
  if (at >= 0) model.graph!.initializer[at] = made;
  else
    constant!.attribute = [
      withFields(AttributeProtoSchema, attribute(constant!, 'value')!, { t: made }),
    ];
}

export function setAttribute(node: NodeProto, name: string, value: number): void {
  node.attribute = node.attribute.map((item) =>
    item.name === name ? withFields(AttributeProtoSchema, item, { f: value }) : item,
  );
}

const projectionAbove = (planting: Planting, tensor: string): NodeProto => {
  const { initializers } = new OnnxGraph(planting.model);
  return above(planting, tensor).find(
    (node) => isOp(node, 'MatMul') && initializers.has(node.input[1]!),
  )!;
};

const biasOf = (planting: Planting, tensor: string): NodeProto =>
  readers(planting, projectionAbove(planting, tensor).output[0]!).find(
    ({ opType }) => opType === 'Add',
  )!;

/** Keys and values in the order 0,1,0,1 where they should be 0,0,1,1. */
export const tiledHeads: FileFault = (planting) => {
  for (const tensor of [heads(planting.site).key, heads(planting.site).value]) {
    const unsqueeze = readers(planting, tensor).find(({ opType }) => opType === 'Unsqueeze')!;
    const expand = readers(planting, unsqueeze.output[0]!)[0]!;
    const reshape = readers(planting, expand.output[0]!)[0]!;
    const [repeated] = reshape.output as [string];
    afterwards(planting, repeated, (builder) =>
      builder.op('Concat', [tensor, tensor], { axis: 1n }),
    );
  }
};

export const rotaryReversed: FileFault = (planting) => {
  for (const tensor of [heads(planting.site).query, heads(planting.site).key]) {
    const { turned } = rotaryOf(planting, tensor);
    const sine = turned.input.find((input) =>
      isOp(new OnnxGraph(planting.model).producer(input), 'Unsqueeze', 'Cast'),
    )!;
    insert(planting.model, sine, turned, (builder) => builder.op('Neg', [sine]));
  }
};

export const rotaryMissing =
  (side: 'query' | 'key'): FileFault =>
  (planting) => {
    const { sum, straight } = rotaryOf(planting, heads(planting.site)[side]);
    replaceUses(nodes(planting), sum.output[0]!, straight.input[0]!);
  };

/** Another base in the table that all layers share. */
export const rotaryTheta = (theta: number): FileFault =>
  rotaryFrequencies(Array.from({ length: 8 }, (_, i) => theta ** (-i / 8)));

/** Other frequencies in the table that all layers share. */
export const rotaryFrequencies =
  (frequencies: readonly number[]): FileFault =>
  (planting) => {
    const table = [
      ...new OnnxGraph(planting.model).initializers.keys(),
      ...nodes(planting)
        .filter(({ opType }) => opType === 'Constant')
        .flatMap(({ output }) => output),
    ].find((name) => {
      const values = new OnnxGraph(planting.model).values(name);
      return (
        values?.length === 8 && values[0] === 1 && Math.abs(values[1]! - 10000 ** -0.125) < 1e-6
      );
    })!;
    setConstant(planting, table, () => [...frequencies]);
  };

export const scaled =
  (factor: number): FileFault =>
  (planting) => {
    const { core, scaleFactors } = planting.site;
    const node = nodes(planting).find(({ name }) => name === core.name)!;
    if (attribute(node, 'scale')) setAttribute(node, 'scale', attribute(node, 'scale')!.f * factor);
    else
      setConstant(planting, scaleFactors[0]!.tensor, (values) =>
        values.map((value) => value * factor),
      );
  };

export const swappedHeads: FileFault = (planting) => {
  const { query } = heads(planting.site);
  afterwards(planting, query, (builder) =>
    builder.op('Gather', [query, builder.ints(1, 0, 2, 3)], { axis: 1n }),
  );
};

/** The projections' biases, one by one or all. */
export const biasDropped =
  (...parts: ('query' | 'key' | 'value')[]): FileFault =>
  (planting) => {
    for (const part of parts) {
      const add = biasOf(planting, planting.site.qkv[part] ?? planting.site.qkv.query);
      const graph = new OnnxGraph(planting.model);
      Object.assign(add, {
        opType: 'Identity',
        input: add.input.filter((input) => !graph.initializers.has(input)),
      });
    }
  };

export const biasZero =
  (part: 'query' | 'key' | 'value'): FileFault =>
  (planting) => {
    const { initializers } = new OnnxGraph(planting.model);
    const bias = biasOf(planting, heads(planting.site)[part]).input.find((input) =>
      initializers.has(input),
    )!;
    setConstant(planting, bias, (values) => values.map(() => 0));
  };

/** The layer's projection of keys multiplies with another layer's numbers. */
export const otherLayersKeys =
  (from: number): FileFault =>
  (planting) => {
    const keyWeight = (site: AttentionSite): string =>
      projectionAbove(planting, site.qkv.key ?? site.qkv.query).input[1]!;
    const graph = planting.model.graph!;
    const source = graph.initializer.find(({ name }) => name === keyWeight(planting.sites[from]!))!;
    const target = keyWeight(planting.site);
    graph.initializer = graph.initializer.map((tensor) =>
      tensor.name === target ? withFields(TensorProtoSchema, source, { name: target }) : tensor,
    );
  };

export const valuesScaled =
  (factor: number): FileFault =>
  (planting) => {
    const { value } = heads(planting.site);
    afterwards(planting, value, (builder) => builder.op('Mul', [value, builder.float(factor)]));
  };

/** Epsilon of the norm nearest above a tensor. */
export const epsilon =
  (value: number, where: (planting: Planting) => string): FileFault =>
  (planting) => {
    const graph = new OnnxGraph(planting.model);
    const path = above(planting, where(planting));
    const fused = path.find((node) => node.opType.endsWith('Normalization'));
    if (fused) {
      setAttribute(fused, 'epsilon', value);
      return;
    }
    const mean = path.find(({ opType }) => opType === 'ReduceMean')!;
    const add = graph.consumers(mean.output[0]!).find(({ opType }) => opType === 'Add')!;
    setConstant(
      planting,
      add.input.find((input) => input !== mean.output[0])!,
      () => [value],
    );
  };

/** What the layer's projections read. */
export const inputNorm = (planting: Planting): string =>
  projectionAbove(planting, planting.site.qkv.query).input[0]!;

/** Goes around a norm of query or key heads: from its projection straight to what read it. */
export const headNormMissing =
  (side: 'query' | 'key'): FileFault =>
  (planting) => {
    const { [side]: tensor } = heads(planting.site);
    const path = above(planting, tensor);
    const fused = path.find((node) => node.opType.endsWith('Normalization'))!;
    const isFused = path.indexOf(fused) < path.findIndex(({ opType }) => opType === 'MatMul');
    const graph = new OnnxGraph(planting.model);
    const mean = path.find(({ opType }) => opType === 'ReduceMean');
    if (isFused && fused) replaceUses(nodes(planting), fused.output[0]!, fused.input[0]!);
    else {
      const start = graph.producer(graph.producer(mean!.input[0])!.input[0])!.input[0]!;
      const { straight } = rotaryOf(planting, tensor);
      const transpose = graph.producer(straight.input[0])!;
      replaceUses([transpose], transpose.input[0]!, start);
    }
  };

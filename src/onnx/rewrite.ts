import { clone, create, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
} from 'onnx-buf';
import { append } from './append.js';
import { makeValueInfo } from './builder.js';
import { nestedGraphs, normalDomain, readNames, usedNames, type OnnxGraph } from './graph.js';
import type { DataType, GraphProto, ModelProto, NodeProto, ValueInfoProto } from './types.js';

/** A copy of a model whose nodes may be changed; weights are shared, not copied. */
export function copyModel(model: ModelProto): ModelProto {
  const { graph } = model;
  if (!graph) throw new Error('a model without a graph');
  return withFields(ModelProtoSchema, model, {
    opsetImport: model.opsetImport.map((entry) => clone(OperatorSetIdProtoSchema, entry)),
    graph: withFields(GraphProtoSchema, graph, {
      node: graph.node.map(copyNode),
      initializer: [...graph.initializer],
      input: [...graph.input],
      output: [...graph.output],
      valueInfo: [...graph.valueInfo],
    }),
  });
}

/**
 * A shallow copy of a message with some fields replaced. Spreading a message would lose the defaults of unset
 * fields, which lie on its prototype.
 */
export function withFields<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  fields: Partial<MessageShape<Desc>>,
): MessageShape<Desc> {
  return Object.assign(create(schema), message, fields);
}

function copyNode(node: NodeProto): NodeProto {
  if (nestedGraphs(node).length > 0) return clone(NodeProtoSchema, node);
  return withFields(NodeProtoSchema, node, { input: [...node.input], output: [...node.output] });
}

/** Makes the given nodes read `to` wherever they read `from`, nested graphs included. */
export function replaceUses(nodes: Iterable<NodeProto>, from: string, to: string): void {
  for (const node of nodes) {
    node.input = node.input.map((name) => (name === from ? to : name));
    for (const graph of nestedGraphs(node)) {
      replaceUses(graph.node, from, to);
      for (const output of graph.output) if (output.name === from) output.name = to;
    }
  }
}

/** Leaves a model some of its outputs alone, and what they need. */
export function keepOutputs(model: ModelProto, names: readonly string[]): void {
  const graph = model.graph!;
  graph.output = graph.output.filter(({ name }) => names.includes(name));
  dropUnused(graph);
}

/** Drops nodes, initializers and stale shapes that no output needs. Graph inputs stay: they are the model's face. */
export function dropUnused(graph: GraphProto): void {
  const producers = new Map<string, NodeProto>();
  for (const node of graph.node)
    for (const output of node.output) if (output !== '') producers.set(output, node);
  const { nodes, tensors } = reach(
    graph.output.map((output) => output.name),
    (name) => producers.get(name),
  );
  graph.node = graph.node.filter((node) => nodes.has(node));
  graph.initializer = graph.initializer.filter((tensor) => tensors.has(tensor.name));
  graph.valueInfo = graph.valueInfo.filter((value) => tensors.has(value.name));
}

function reach(
  from: readonly string[],
  producer: (name: string) => NodeProto | undefined,
): { nodes: Set<NodeProto>; tensors: Set<string> } {
  const nodes = new Set<NodeProto>();
  const tensors = new Set<string>();
  const open = [...from];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (tensors.has(name)) continue;
    tensors.add(name);
    const node = producer(name);
    if (!node || nodes.has(node)) continue;
    nodes.add(node);
    append(open, usedNames(node));
  }
  return { nodes, tensors };
}

/** Sorts nodes so that each comes after those it reads from (depth first, keeping the order where it can). */
export function sortNodes(graph: GraphProto): void {
  const producers = new Map<string, NodeProto>();
  for (const node of graph.node)
    for (const output of node.output) if (output !== '') producers.set(output, node);
  const sorted: NodeProto[] = [];
  const state = new Map<NodeProto, 'open' | 'done'>();
  for (const root of graph.node) {
    const stack = [root];
    for (let node = stack.at(-1); node; node = stack.at(-1)) {
      if (state.get(node) === 'done') {
        stack.pop();
        continue;
      }
      const waiting = readNames(node)
        .map((name) => producers.get(name))
        .filter(
          (source): source is NodeProto => source !== undefined && state.get(source) !== 'done',
        );
      if (waiting.length === 0) {
        state.set(node, 'done');
        sorted.push(node);
        stack.pop();
      } else {
        if (state.get(node) === 'open')
          throw new Error(`the graph has a cycle through ${node.name || node.opType}`);
        state.set(node, 'open');
        append(stack, waiting.toReversed());
      }
    }
  }
  graph.node = sorted;
}

/** Version of an operator set that the model imports; undefined where it does not. `''` is ai.onnx. */
export function opsetOf(model: ModelProto, domain: string): number | undefined {
  const entry = opsetEntry(model, domain);
  return entry ? Number(entry.version) : undefined;
}

/** Sets an operator set's version, adding the import if it is missing. */
export function setOpset(model: ModelProto, domain: string, version: number): void {
  const entry = opsetEntry(model, domain);
  if (entry) entry.version = BigInt(version);
  else
    model.opsetImport.push(create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) }));
}

function opsetEntry(
  model: ModelProto,
  domain: string,
): ModelProto['opsetImport'][number] | undefined {
  return model.opsetImport.find((item) => normalDomain(item.domain) === normalDomain(domain));
}

/**
 * The part of a graph that computes `outputs`, as a model of its own. `cuts` names tensors that become
 * inputs of the part, so that what lies above them is left out.
 */
export function extract(
  graph: OnnxGraph,
  outputs: readonly { name: string; type: DataType }[],
  cuts: ReadonlyMap<string, ValueInfoProto>,
): ModelProto {
  const { nodes, tensors } = reach(
    outputs.map(({ name }) => name),
    (name) => (cuts.has(name) ? undefined : graph.producer(name)),
  );
  return withFields(ModelProtoSchema, graph.model, {
    graph: create(GraphProtoSchema, {
      name: 'part',
      node: graph.graph.node.filter((node) => nodes.has(node)),
      initializer: graph.graph.initializer.filter(
        (tensor) => tensors.has(tensor.name) && !cuts.has(tensor.name),
      ),
      input: [
        ...graph.graph.input.filter((input) => tensors.has(input.name) && !cuts.has(input.name)),
        ...[...cuts.values()].filter((value) => tensors.has(value.name)),
      ],
      output: outputs.map(({ name, type }) => makeValueInfo(name, type)),
    }),
  });
}

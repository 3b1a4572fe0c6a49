import { clone, create } from '@bufbuild/protobuf';
import {
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  TensorProtoSchema,
} from 'onnx-buf';
import { append } from './append.js';
import { nestedGraphs, normalDomain } from './graph.js';
import { raiseOpset } from './opset.js';
import { opsetOf, setOpset, withFields } from './rewrite.js';
import type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
  TensorProto,
} from './types.js';

/** A function whose body calls no other. */
interface Body {
  function: FunctionProto;
  nodes: NodeProto[];
  /** Constants that bringing the body to the model's opset made. */
  initializers: TensorProto[];
}

/**
 * Puts the nodes of model-local functions in the place of the nodes that call them, in place: nested functions,
 * attributes by reference and their defaults, optional inputs that are left out, and functions with an opset of their
 * own, which are brought to the latest among them. No function may call itself.
 *
 * @throws AttnDiffError graph-not-supported for a function whose opset is too old to be raised
 */
export function inlineFunctions(model: ModelProto): void {
  if (model.functions.length === 0) return;
  const own = model.functions.map((each) =>
    Number(each.opsetImport.find(({ domain }) => normalDomain(domain) === '')?.version ?? 0n),
  );
  const opset = Math.max(opsetOf(model, '') ?? 0, ...own);
  raiseOpset(model, opset);
  for (const { domain, version } of model.functions.flatMap(({ opsetImport }) => opsetImport)) {
    if (normalDomain(domain) !== '' && (opsetOf(model, domain) ?? 0) < Number(version))
      setOpset(model, domain, Number(version));
  }
  const work = new Inlining(model.functions, opset);
  work.into(model.graph!, model.graph!);
  model.functions = [];
}

class Inlining {
  readonly #functions: ReadonlyMap<string, FunctionProto>;
  readonly #opset: number;
  readonly #bodies = new Map<string, Body>();
  #names = 0;

  constructor(functions: readonly FunctionProto[], opset: number) {
    this.#functions = new Map(
      functions.map((each) => [keyOf(each.domain, each.name, each.overload), each]),
    );
    this.#opset = opset;
  }

  /** @param root where initializers go: nested graphs see those of the graphs around them */
  into(graph: GraphProto, root: GraphProto): void {
    graph.node = graph.node.flatMap((node) => {
      for (const nested of nestedGraphs(node)) this.into(nested, root);
      const body = this.#bodyOf(keyOfCall(node));
      if (!body) return [node];
      const { nodes, initializers } = this.#called(node, body);
      append(root.initializer, initializers);
      return nodes;
    });
  }

  /** A function's body with those that it calls inlined: callees first, without recursion. */
  #bodyOf(key: string): Body | undefined {
    if (!this.#functions.has(key)) return undefined;
    const open = [key];
    for (let next = open.at(-1); next !== undefined; next = open.at(-1)) {
      const waiting = this.#bodies.has(next)
        ? []
        : callsOf(this.#functions.get(next)!.node).filter(
            (each) => this.#functions.has(each) && !this.#bodies.has(each),
          );
      if (waiting.length > 0) append(open, waiting);
      else {
        if (!this.#bodies.has(next)) this.#bodies.set(next, this.#body(this.#functions.get(next)!));
        open.pop();
      }
    }
    return this.#bodies.get(key);
  }

  #body(declared: FunctionProto): Body {
    const graph = create(GraphProtoSchema, {
      node: declared.node.map((node) => clone(NodeProtoSchema, node)),
    });
    const imports =
      declared.opsetImport.length > 0
        ? declared.opsetImport.map((entry) => clone(OperatorSetIdProtoSchema, entry))
        : [create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(this.#opset) })];
    raiseOpset(create(ModelProtoSchema, { graph, opsetImport: imports }), this.#opset);
    this.into(graph, graph);
    return { function: declared, nodes: graph.node, initializers: graph.initializer };
  }

  /** The nodes of one call, under names of their own. */
  #called(
    call: NodeProto,
    { function: declared, nodes, initializers }: Body,
  ): { nodes: NodeProto[]; initializers: TensorProto[] } {
    const place = `${call.name || call.output[0] || call.opType}/`;
    const names = new Map<string, string>([['', '']]);
    declared.input.forEach((name, i) => names.set(name, call.input[i] ?? ''));
    const passed: NodeProto[] = [];
    declared.output.forEach((name, i) => {
      const outer = call.output[i];
      if (!outer) return;
      // An input or another output that is handed on has no node to take the name.
      if (names.has(name))
        passed.push(
          create(NodeProtoSchema, {
            name: `${place}${outer}`,
            opType: 'Identity',
            input: [name],
            output: [outer],
          }),
        );
      else names.set(name, outer);
    });
    const rename = (name: string): string => {
      const known = names.get(name);
      if (known !== undefined) return known;
      const fresh = `inlined/${this.#names++}/${name.replace(/^inlined\/\d+\//, '')}`;
      names.set(name, fresh);
      return fresh;
    };
    const given = new Map(
      [...declared.attributeProto, ...call.attribute].map((item) => [item.name, item]),
    );
    const copied = nodes.map((node) => copyOf(node, rename, given, place));
    for (const node of passed) node.input = node.input.map(rename);
    return {
      nodes: [...copied, ...passed],
      initializers: initializers.map((tensor) =>
        withFields(TensorProtoSchema, tensor, { name: rename(tensor.name) }),
      ),
    };
  }
}

function copyOf(
  node: NodeProto,
  rename: (name: string) => string,
  given: ReadonlyMap<string, AttributeProto>,
  place: string,
): NodeProto {
  const copy = clone(NodeProtoSchema, node);
  if (copy.name !== '') copy.name = place + copy.name;
  copy.input = copy.input.map(rename);
  copy.output = copy.output.map(rename);
  copy.attribute = copy.attribute.flatMap((item) => {
    if (item.refAttrName === '') return [item];
    const value = given.get(item.refAttrName);
    return value ? [withFields(AttributeProtoSchema, value, { name: item.name })] : [];
  });
  for (const graph of nestedGraphs(copy)) {
    graph.node = graph.node.map((inner) => copyOf(inner, rename, given, place));
    for (const value of [...graph.input, ...graph.output, ...graph.initializer, ...graph.valueInfo])
      value.name = rename(value.name);
  }
  return copy;
}

function callsOf(nodes: readonly NodeProto[]): string[] {
  return nodes.flatMap((node) => [
    keyOfCall(node),
    ...nestedGraphs(node).flatMap((graph) => callsOf(graph.node)),
  ]);
}

function keyOfCall({ domain, opType, overload }: NodeProto): string {
  return keyOf(domain, opType, overload);
}

function keyOf(domain: string, name: string, overload: string): string {
  return JSON.stringify([normalDomain(domain), name, overload]);
}

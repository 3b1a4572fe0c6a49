import { create } from '@bufbuild/protobuf';
import {
  AttributeProtoSchema,
  FunctionProtoSchema,
  GraphProtoSchema,
  NodeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { checkGraph } from '../../src/onnx/checkGraph.js';
import { dataFlow, movedFrom, soleReader, uncast } from '../../src/onnx/dataFlow.js';
import { OnnxGraph } from '../../src/onnx/graph.js';
import { makeNamesSafe } from '../../src/onnx/nodeNames.js';
import { decodeModel, encodeModel } from '../../src/onnx/read.js';
import { scanModel } from '../../src/onnx/scan.js';
import { signatures } from '../../src/onnx/signature.js';
import {
  AttributeType,
  type GraphProto,
  type ModelProto,
  type NodeProto,
} from '../../src/onnx/types.js';
import { tinyModel } from '../support/tinyGraph.js';

const x = { x: { type: 'float32' as const, data: new Float32Array(1), dims: [1] } };
const node = (
  opType: string,
  input: string[],
  output: string[],
  name = '',
  domain = '',
): NodeProto => create(NodeProtoSchema, { opType, input, output, name, domain });

function modelOf(nodes: NodeProto[], functions: Record<string, string[]> = {}): ModelProto {
  const { model } = tinyModel(x, (builder) => [builder.op('Abs', ['x'])]);
  model.graph!.node = nodes;
  model.graph!.output = [create(ValueInfoProtoSchema, { name: nodes.at(-1)?.output[0] ?? 'x' })];
  model.functions = Object.entries(functions).map(([name, called]) =>
    create(FunctionProtoSchema, {
      name,
      domain: 'f',
      node: called.map((opType) => node(opType, ['x'], ['y'], '', 'f')),
    }),
  );
  return model;
}

const checked = (model: ModelProto): unknown => {
  try {
    return checkGraph(model, 'm.onnx');
  } catch (error) {
    return error;
  }
};

/** A chain as deep as files may be; a call for each node would overflow the stack many times over. */
const DEEP = 200_000;
const chain = (opType: string): NodeProto[] =>
  Array.from({ length: DEEP }, (_, i) => node(opType, [i === 0 ? 'x' : `t${i - 1}`], [`t${i}`]));
const LAST = `t${DEEP - 1}`;

describe('checkGraph', () => {
  it('takes a branch that names what it makes as the node around it does for no cycle', () => {
    const branch = create(GraphProtoSchema, {
      node: [node('Neg', ['x'], ['y']), node('Abs', ['y'], ['z'])],
      output: [create(ValueInfoProtoSchema, { name: 'z' })],
    });
    const choice = node('If', ['x'], ['y', 'z']);
    choice.attribute = [
      create(AttributeProtoSchema, { name: 'then_branch', type: AttributeType.GRAPH, g: branch }),
    ];
    expect(checked(modelOf([choice]))).toBeUndefined();
    // What it takes from around it counts as before.
    branch.node[0]!.input = ['w'];
    expect(checked(modelOf([choice, node('Abs', ['z'], ['w'])]))).toMatchObject({
      code: 'graph-invalid',
    });
  });

  it('names a node that is on a cycle, not one that only waits for it', () => {
    const cyclic = modelOf([
      node('Neg', ['x'], ['a']),
      node('Relu', ['d'], ['after'], 'waits'),
      node('Add', ['a', 'd'], ['c'], 'on_cycle'),
      node('Abs', ['c'], ['d'], 'on_cycle_too'),
    ]);
    expect(checked(cyclic)).toMatchObject({
      code: 'graph-invalid',
      exitCode: 3,
      args: { path: 'm.onnx', problem: expect.stringMatching(/"on_cycle(?:_too)?"/) },
    });
    expect(checked(modelOf([node('Identity', ['a'], ['a'], 'own')]))).toMatchObject({
      args: { problem: expect.stringContaining('"own"') },
    });
  });

  it('puts nodes in the order of the data, and leaves alone those that are in it', () => {
    const model = modelOf([
      node('Abs', ['b'], ['c']),
      node('Neg', ['a'], ['b']),
      node('Relu', ['x'], ['a']),
    ]);
    expect(checked(model)).toBeUndefined();
    expect(model.graph!.node.map(({ opType }) => opType)).toEqual(['Relu', 'Neg', 'Abs']);
    const sorted = modelOf(chain('Abs').slice(0, 5));
    const before = sorted.graph!.node;
    checkGraph(sorted, 'm.onnx');
    expect(sorted.graph!.node).toBe(before);
  });

  it('refuses functions that call themselves, or that are too many nodes once written out', () => {
    expect(checked(modelOf([node('F', ['x'], ['y'], '', 'f')], { F: ['F'] }))).toMatchObject({
      code: 'graph-invalid',
      args: { problem: 'the function "F" calls itself' },
    });
    expect(checked(modelOf([], { F: ['G'], G: ['H', 'Abs'], H: ['F'] }))).toMatchObject({
      code: 'graph-invalid',
      args: {
        problem: expect.stringMatching(/^the function "[FGH]" calls itself through "[FGH]"$/),
      },
    });
    const doubling = Object.fromEntries(
      Array.from({ length: 60 }, (_, i) => [`F${i}`, [`F${i + 1}`, `F${i + 1}`]]),
    );
    expect(checked(modelOf([node('F0', ['x'], ['y'], '', 'f')], doubling))).toMatchObject({
      code: 'graph-invalid',
      args: { problem: 'its functions, written out, are 1.15e+18 nodes' },
    });
    expect(
      checked(modelOf([node('F', ['x'], ['y'], '', 'f')], { F: ['G', 'G'], G: ['Abs'] })),
    ).toBeUndefined();
  });
});

describe('a graph as deep as files may be', () => {
  it('is followed without recursion, whatever is asked of it', () => {
    const graph = new OnnxGraph(modelOf(chain('Identity')));
    checkGraph(graph.model, 'm.onnx');
    const flow = dataFlow(graph);
    expect(graph.constant(LAST)).toBeUndefined();
    expect([uncast(graph, LAST), movedFrom(graph, LAST)]).toEqual(['x', 'x']);
    expect(soleReader(graph, 'x')).toBeUndefined();
    expect([flow.isActivation(LAST), flow.isConstant(LAST), flow.isNumber(LAST)]).toEqual([
      true,
      false,
      false,
    ]);
    expect(signatures(graph, new Map())(LAST)).toBe(DEEP);
  });

  it('is followed once where two ways lead up at every node', () => {
    const doubled = chain('Mul')
      .slice(0, 500)
      .map(({ input, output }) => node('Mul', [input[0]!, input[0]!], output));
    const graph = new OnnxGraph(modelOf(doubled));
    expect([dataFlow(graph).isNumber('t499'), dataFlow(graph).isConstant('t499')]).toEqual([
      false,
      false,
    ]);
    expect(signatures(graph, new Map())('t499')).toBe(500);
  });
});

describe('scanModel', () => {
  const nested = (depth: number): NodeProto => {
    let inner = node('Abs', ['x'], ['y']);
    for (let level = 0; level < depth; level++) {
      const graph = create(GraphProtoSchema, { node: [inner] });
      inner = create(NodeProtoSchema, {
        opType: 'If',
        input: ['x'],
        output: ['y'],
        attribute: [
          create(AttributeProtoSchema, {
            name: 'then_branch',
            type: AttributeType.GRAPH,
            g: graph,
          }),
        ],
      });
    }
    return inner;
  };

  it('counts what decoding would make', () => {
    const bytes = encodeModel(modelOf([nested(3), node('Abs', ['x'], ['z'])]));
    expect(scanModel(bytes)).toMatchObject({ nodes: 5, depth: 3 });
    for (const broken of [
      bytes.subarray(0, 30),
      new Uint8Array([0x0b]),
      new Uint8Array([0xff, 0xff]),
      new TextEncoder().encode('version https://git-lfs'),
    ])
      expect(scanModel(broken)).toBeNull();
  });

  it.each([
    ['nodes', modelOf(Array.from({ length: 400_001 }, () => node('', [], [])))],
    ['depth', modelOf([nested(65)])],
  ] as const)('refuses a file for its %s before it is decoded', (part, model) => {
    expect(() => decodeModel(encodeModel(model), 'm.onnx')).toThrow(
      expect.objectContaining({
        code: 'model-too-large',
        exitCode: 3,
        args: expect.objectContaining({ part }),
      }),
    );
  });

  it('refuses groups within groups without recursion', () => {
    expect(() => decodeModel(new Uint8Array(100_000).fill(0x0b), 'm.onnx')).toThrow(
      expect.objectContaining({ code: 'model-not-onnx' }),
    );
  });
});

describe('makeNamesSafe', () => {
  it('gives each node a name of its own that a profile holds, and none of attn-diff’s', () => {
    const names = [
      'plain',
      'a"b\\c',
      'line\nend',
      'same',
      'same',
      'same',
      'same#2',
      'attn_diff/layer0/sdpa/Attention',
      'e\u202Ex',
      '',
    ];
    const model = modelOf(names.map((name) => node('Abs', ['x'], ['y'], name)));
    makeNamesSafe(model);
    const safe = model.graph!.node.map(({ name }) => name);
    expect(safe).toEqual([
      'plain',
      "a'b/c",
      'line end',
      'same',
      'same#2',
      'same#3',
      'same#2#2',
      'file/attn_diff/layer0/sdpa/Attention',
      String.raw`e\u202Ex`.replace('\\', '/'),
      '',
    ]);
  });

  it('leaves branches the names that they share, and makes each safe', () => {
    const branch = (): GraphProto =>
      create(GraphProtoSchema, {
        node: [node('Abs', ['x'], ['y'], 'same'), node('Abs', ['y'], ['z'], 'a"b')],
      });
    const choice = node('If', ['x'], ['y'], 'choice');
    choice.attribute = ['then_branch', 'else_branch'].map((name) =>
      create(AttributeProtoSchema, { name, type: AttributeType.GRAPH, g: branch() }),
    );
    makeNamesSafe(modelOf([choice]));
    expect(choice.attribute.map(({ g }) => g!.node.map(({ name }) => name))).toEqual([
      ['same', "a'b"],
      ['same', "a'b"],
    ]);
  });

  it('is as quick with a hundred thousand of one name', () => {
    const model = modelOf(Array.from({ length: 100_000 }, () => node('Abs', ['x'], ['y'], 'same')));
    makeNamesSafe(model);
    expect(new Set(model.graph!.node.map(({ name }) => name)).size).toBe(100_000);
  });
});

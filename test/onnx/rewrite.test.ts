import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OnnxGraph } from '../../src/onnx/graph.js';
import {
  copyModel,
  dropUnused,
  extract,
  opsetOf,
  replaceUses,
  setOpset,
  sortNodes,
} from '../../src/onnx/rewrite.js';
import { DataType } from '../../src/onnx/types.js';
import { makeValueInfo } from '../../src/onnx/builder.js';
import { tinyModel } from '../support/tinyGraph.js';

const x = { type: 'float32', dims: [1], data: Float32Array.of(1) } as const;

/** x → Neg → Abs → output, with Exp hanging off Neg unused. */
function chain(): { model: ReturnType<typeof tinyModel>['model']; neg: string; abs: string } {
  let neg = '';
  let abs = '';
  const { model } = tinyModel({ x }, (builder) => {
    neg = builder.op('Neg', ['x']);
    builder.op('Exp', [neg]);
    abs = builder.op('Abs', [neg]);
    return [abs];
  });
  return { model, neg, abs };
}

describe('rewriting graphs', () => {
  it('drops what no output needs, and keeps the inputs', () => {
    const { model } = chain();
    dropUnused(model.graph!);
    expect(model.graph!.node.map(({ opType }) => opType)).toEqual(['Neg', 'Abs']);
    expect(model.graph!.input).toHaveLength(1);
  });

  it('sorts any order of nodes into one that can run', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2], { minLength: 3 }), (order) => {
        const { graph } = chain().model;
        graph!.node = order.map((i) => graph!.node[i]!);
        sortNodes(graph!);
        const made = new Set(['x']);
        for (const node of graph!.node) {
          expect(node.input.every((name) => made.has(name))).toBe(true);
          node.output.forEach((name) => made.add(name));
        }
        expect(graph!.node).toHaveLength(3);
      }),
    );
  });

  it('refuses a cycle', () => {
    const { model, neg, abs } = chain();
    model.graph!.node.find(({ output }) => output[0] === neg)!.input[0] = abs;
    expect(() => sortNodes(model.graph!)).toThrowError(/cycle/);
  });

  it('changes a copy without touching the model', () => {
    const { model, neg } = chain();
    const copy = copyModel(model);
    replaceUses(copy.graph!.node, neg, 'x');
    setOpset(copy, '', 99);
    expect(new OnnxGraph(copy).consumers(neg)).toHaveLength(0);
    expect(new OnnxGraph(model).consumers(neg)).toHaveLength(2);
    expect([opsetOf(model, 'ai.onnx'), opsetOf(copy, '')]).toEqual([23, 99]);
  });

  it('cuts a part out at the tensors named', () => {
    const { model, neg, abs } = chain();
    const part = extract(
      new OnnxGraph(model),
      [{ name: abs, type: DataType.FLOAT }],
      new Map([[neg, makeValueInfo(neg, DataType.FLOAT)]]),
    );
    expect(part.graph!.node.map(({ opType }) => opType)).toEqual(['Abs']);
    expect(part.graph!.input.map(({ name }) => name)).toEqual([neg]);
  });
});

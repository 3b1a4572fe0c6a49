import { create } from '@bufbuild/protobuf';
import { AttributeProtoSchema, GraphProtoSchema } from 'onnx-buf';
import { expect, it } from 'vitest';
import { makeValueInfo } from '../../src/onnx/builder.js';
import { inlineBranches } from '../../src/onnx/inline.js';
import { encodeModel } from '../../src/onnx/read.js';
import { AttributeType, DataType, type ModelProto } from '../../src/onnx/types.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import type { Tensors } from '../../src/types.js';
import { tinyModel } from '../support/tinyGraph.js';

const feeds: Tensors = {
  x: { type: 'float32', dims: [1], data: Float32Array.of(-2) },
  use_cache_branch: { type: 'bool', dims: [1], data: Uint8Array.of(0) },
};

/** If(use_cache_branch) then Abs(x) else Neg(Exp(x)). */
function merged(): { model: ModelProto; output: string } {
  const { model, outputs } = tinyModel(feeds, (builder) => [
    builder.op('If', ['use_cache_branch']),
  ]);
  const branch = (...ops: string[]): ReturnType<typeof tinyModel>['model']['graph'] => {
    const part = tinyModel({}, (builder) => [
      ops.reduce((tensor, op) => builder.within(ops.join(''), () => builder.op(op, [tensor])), 'x'),
    ]).model.graph!;
    return create(GraphProtoSchema, {
      ...part,
      name: ops.join(''),
      output: part.output.map(({ name }) => makeValueInfo(name, DataType.FLOAT)),
    });
  };
  model.graph!.node[0]!.attribute = [
    create(AttributeProtoSchema, {
      name: 'then_branch',
      type: AttributeType.GRAPH,
      g: branch('Abs')!,
    }),
    create(AttributeProtoSchema, {
      name: 'else_branch',
      type: AttributeType.GRAPH,
      g: branch('Exp', 'Neg')!,
    }),
  ];
  return { model, output: outputs[0]! };
}

async function run(model: ModelProto, output: string): Promise<number> {
  const session = await inProcessRunner().open(
    { model: { bytes: encodeModel(model), folder: '.' } },
    'test',
  );
  const tensors = await session.run(feeds);
  await session.close();
  return Number(tensors[output]!.data[0]);
}

it('a branch in the place of its If computes the same', async () => {
  const untouched = merged();
  const inlined = merged();
  expect(inlineBranches(inlined.model.graph!, 'use_cache_branch', false)).toBe(true);
  expect(inlined.model.graph!.node.some(({ opType }) => opType === 'If')).toBe(false);
  expect(await run(inlined.model, inlined.output)).toBe(
    await run(untouched.model, untouched.output),
  );
  expect(await run(inlined.model, inlined.output)).toBeCloseTo(-Math.exp(-2), 6);
});

it('a graph without such an If is left alone', () => {
  const { model } = merged();
  expect(inlineBranches(model.graph!, 'x', false)).toBe(false);
});

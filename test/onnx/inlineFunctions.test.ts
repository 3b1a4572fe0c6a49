import { create } from '@bufbuild/protobuf';
import {
  AttributeProtoSchema,
  FunctionProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
} from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { makeAttribute } from '../../src/onnx/builder.js';
import { inlineFunctions } from '../../src/onnx/inlineFunctions.js';
import { encodeModel } from '../../src/onnx/read.js';
import { setOpset } from '../../src/onnx/rewrite.js';
import {
  AttributeType,
  type FunctionProto,
  type ModelProto,
  type NodeProto,
} from '../../src/onnx/types.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import type { Tensors } from '../../src/types.js';
import { numbers, nodesOf, operated, runOn } from '../support/surgery.js';
import { tinyModel } from '../support/tinyGraph.js';

const feeds: Tensors = {
  x: { type: 'float32', dims: [2, 2], data: Float32Array.of(-2, 1, 3, -0.5) },
};

const node = (
  opType: string,
  input: string[],
  output: string[],
  attribute: NodeProto['attribute'] = [],
  domain = '',
): NodeProto =>
  create(NodeProtoSchema, {
    opType,
    input,
    output,
    attribute,
    domain,
    name: `${opType}/${output[0]!}`,
  });
const opset = (domain: string, version: number) =>
  create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) });
const byReference = (name: string, of: string, type: AttributeType) =>
  create(AttributeProtoSchema, { name, refAttrName: of, type });

const LOCAL = [opset('', 18), opset('local', 1)];

/** y = LeakyRelu(x, alpha), alpha 0.5 unless told otherwise; `same` hands x on. */
const leaky: FunctionProto = create(FunctionProtoSchema, {
  domain: 'local',
  name: 'Leaky',
  input: ['x'],
  output: ['y', 'same'],
  opsetImport: LOCAL,
  attributeProto: [makeAttribute('slope', 0.5)],
  node: [
    node('LeakyRelu', ['x'], ['t'], [byReference('alpha', 'slope', AttributeType.FLOAT)]),
    node('Add', ['t', 't'], ['y']),
    node('Identity', ['x'], ['same']),
  ],
});

/** Calls the other, with the attribute handed on; the limits of Clip are inputs that may be left out. */
const clipped: FunctionProto = create(FunctionProtoSchema, {
  domain: 'local',
  name: 'Clipped',
  input: ['x', 'low', 'high'],
  output: ['y'],
  opsetImport: LOCAL,
  attribute: ['slope'],
  node: [
    node('Leaky', ['x'], ['t', ''], [byReference('slope', 'slope', AttributeType.FLOAT)], 'local'),
    node('Clip', ['t', 'low', 'high'], ['y']),
  ],
});

/** Of an opset before axes became an input. */
const mean: FunctionProto = create(FunctionProtoSchema, {
  domain: 'local',
  name: 'Mean',
  input: ['t'],
  output: ['y'],
  opsetImport: [opset('', 13)],
  node: [
    node('ReduceMean', ['t'], ['y'], [makeAttribute('axes', [1]), makeAttribute('keepdims', 1n)]),
  ],
});

function model(functions: FunctionProto[]): { model: ModelProto; outputs: string[] } {
  const made = tinyModel(feeds, (builder) => {
    const steep = builder.op('Clipped', ['x', builder.float(-1)], { slope: 0.25 }, 'local');
    const [usual, same] = builder.ops('Leaky', ['x'], 2, {}, 'local') as [string, string];
    return [
      steep,
      usual,
      same,
      ...(functions.includes(mean)
        ? [builder.op('Mean', [builder.op('Clipped', [usual], { slope: 2 }, 'local')], {}, 'local')]
        : []),
    ];
  });
  setOpset(made.model, 'local', 1);
  made.model.functions = functions;
  return made;
}

async function run({
  model: made,
  outputs,
}: {
  model: ModelProto;
  outputs: string[];
}): Promise<number[][]> {
  const session = await inProcessRunner().open(
    { model: { bytes: encodeModel(made), folder: '.' } },
    'test',
  );
  const tensors = await session.run(feeds);
  await session.close();
  return outputs.map((name) => numbers(tensors[name]!));
}

describe('functions of a model in the place of their calls', () => {
  it('compute what ONNX Runtime makes of the functions: nested, with attributes by reference, defaults and inputs left out', async () => {
    const made = model([leaky, clipped]);
    const before = await run(made);
    expect(before).toEqual([
      [-1, 2, 6, -0.25],
      [-2, 2, 6, -0.5],
      [-2, 1, 3, -0.5],
    ]);
    inlineFunctions(made.model);
    expect(made.model.functions).toEqual([]);
    expect(made.model.graph!.node.some(({ domain }) => domain === 'local')).toBe(false);
    expect(await run(made)).toEqual(before);
  });

  it('are brought to one opset', async () => {
    const made = model([mean, clipped, leaky]);
    inlineFunctions(made.model);
    // Leaky(−2, 1, 3, −0.5; 0.5) is −2, 2, 6, −0.5; the same with slope 2 is −8, 4, 12, −2.
    expect((await run(made)).at(-1)).toEqual([-2, 5]);
  });

  it('do not hide attention: a softmax inside a function is found, and the file’s own nodes give what ONNX Runtime gives', async () => {
    const folder = operated({
      model: (whole) => {
        for (const softmax of nodesOf(whole, 'Softmax'))
          Object.assign(softmax, { opType: 'Weights', domain: 'local' });
        setOpset(whole, 'local', 1);
        whole.functions = [
          create(FunctionProtoSchema, {
            domain: 'local',
            name: 'Weights',
            input: ['s'],
            output: ['p'],
            attribute: ['axis'],
            opsetImport: [opset('', 18)],
            node: [node('Softmax', ['s'], ['p'], [byReference('axis', 'axis', AttributeType.INT)])],
          }),
        ];
      },
    });
    const report = await runOn(folder, { impl: 'eager,sdpa,original' });
    expect(report.rebuild.originalRelL2).toBeLessThan(1e-6);
    expect(report.verdict.passed).toBe(true);
    expect(report.rows.filter(({ tap }) => tap === 'attention').length).toBeGreaterThan(0);
  });
});

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/errors.js';
import { isOp, OnnxGraph } from '../../src/onnx/graph.js';
import { encodeModel } from '../../src/onnx/read.js';
import {
  DataLocation,
  type ModelProto,
  type NodeProto,
  type TensorProto,
} from '../../src/onnx/types.js';
import { call, editModel, expectRefusal, run, TestFolder } from '../support/cli.js';
import { fixture } from '../support/fixtures.js';
import { tinyModel } from '../support/tinyGraph.js';

const folder = new TestFolder();
const PNG = Buffer.from(
  '89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c636060606000000005000167e5b3a20000000049454e44ae426082',
  'hex',
);

/** Both commands that read a model refuse it alike; the answer is `run`'s. */
async function expectRefused(model: string, ...says: (string | RegExp)[]): Promise<void> {
  for (const command of ['run', 'inspect'])
    expectRefusal(await call([command, '--model', model]), EXIT.model, ...says);
}

function withModel(content: string | Uint8Array): Promise<string> {
  return folder.copy('qwen2-optimum', (copy) => writeFile(join(copy, 'model.onnx'), content));
}

describe('a path that leads to no model', () => {
  it('missing', () =>
    expectRefused(
      folder.path('nowhere'),
      folder.path('nowhere'),
      /no such file or folder\. Give --model/,
    ));
  it('a folder without one', async () => {
    await mkdir(folder.path('bare'));
    await expectRefused(
      folder.path('bare'),
      folder.path('bare'),
      /no \.onnx file in this folder\. Export the model/,
    );
  });
  it('several to choose from', async () => {
    const copy = await folder.copy('qwen2-optimum', async (path) => {
      await rm(join(path, 'model.onnx'));
      await Promise.all(['b.onnx', 'a.onnx'].map((name) => writeFile(join(path, name), 'x')));
    });
    await expectRefused(copy, copy, /several \.onnx files: a\.onnx, b\.onnx\. Give --model one/);
  });
  it('a device', () =>
    expectRefused('/dev/null', /^attn-diff: \/dev\/null: .*neither a file nor a folder/));
});

describe('a file that is no ONNX model', () => {
  it('empty', async () => {
    const copy = await withModel('');
    await expectRefused(
      copy,
      join(copy, 'model.onnx'),
      /the file is empty\. Export or download it again/,
    );
  });

  const bytes = createHash('sha512').update('attn-diff').digest();
  it.each([
    ['text', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1033295\n'],
    [
      'random bytes',
      Buffer.concat(
        Array.from({ length: 50 }, (_, i) =>
          createHash('sha512').update(bytes).update(String(i)).digest(),
        ),
      ),
    ],
    ['a PNG', PNG],
    [
      'a protobuf without a graph',
      encodeModel({
        ...tinyModel({}, (builder) => [builder.float(1)]).model,
        graph: undefined,
      } as unknown as ModelProto),
    ],
  ])('%s', async (_name, content) => {
    const copy = await withModel(content);
    await expectRefused(
      copy,
      join(copy, 'model.onnx'),
      /not a whole ONNX file: .*Export or download it again/,
    );
  });

  it('complains of the file before a missing config.json', async () => {
    const path = await folder.write('garbage.onnx', 'garbage');
    await expectRefused(path, path, /not a whole ONNX file/);
  });
});

it('truncated, wherever it is cut', async () => {
  const whole = readFileSync(fixture('qwen2-optimum', 'model.onnx'));
  // Every eighth, each end, and where a length that is cut in two could pass for a smaller one.
  const cuts = [
    1,
    2,
    3,
    ...Array.from({ length: 7 }, (_, i) => Math.round(((i + 1) * whole.length) / 8)),
    whole.length - 5,
    whole.length - 1,
  ];
  for (const cut of cuts) {
    const path = await folder.write('cut.onnx', whole.subarray(0, cut));
    const answer = await call(['inspect', '--model', path]);
    expect
      .soft(answer.stderr, `cut at ${cut}`)
      .toMatch(/cut\.onnx: not a whole ONNX file: .*truncated/);
    expectRefusal(answer, EXIT.model);
  }
});

describe('config.json', () => {
  it('missing beside a bare file', async () => {
    await mkdir(folder.path('alone'));
    const path = await folder.write(
      'alone/model.onnx',
      readFileSync(fixture('qwen2-optimum', 'model.onnx')),
    );
    await expectRefused(
      path,
      folder.path('alone', 'config.json'),
      /no such file\. Put the model's config\.json there, beside the \.onnx file/,
    );
  });
  it.each([
    ['not JSON', '{', /cannot be read: it is not JSON.*Copy config\.json again/],
    ['empty', '', /cannot be read: it is not JSON/],
    ['not an object', '[]', /expected object.*models of the Qwen2 family are supported/],
    [
      'without the sizes',
      '{"model_type":"qwen2"}',
      /hidden_size: .*models of the Qwen2 family are supported/,
    ],
  ])('%s', async (_name, content, says) => {
    const copy = await folder.copy('qwen2-optimum', (path) =>
      writeFile(join(path, 'config.json'), content),
    );
    await expectRefused(copy, join(copy, 'config.json'), says);
  });
  it('of another model', async () => {
    const copy = await folder.copy('qwen2-optimum', (path) =>
      editConfig(path, { num_hidden_layers: 5, layer_types: undefined }),
    );
    await expectRefused(copy, /the graph has 4 attention layers, but config\.json says 5/);
  });
});

async function editConfig(path: string, change: Record<string, unknown>): Promise<void> {
  const file = join(path, 'config.json');
  await writeFile(
    file,
    JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), ...change }),
  );
}

describe('attention that is not there, or not as we know it', () => {
  it('a model without attention', async () => {
    const { model } = tinyModel(
      { input_ids: { type: 'int64', dims: [1, 4], data: new BigInt64Array(4) } },
      (builder) => [builder.op('Softmax', [builder.cast('input_ids', 1)])],
    );
    const copy = await withModel(encodeModel(model));
    await expectRefused(
      copy,
      join(copy, 'model.onnx'),
      /no attention was found in this model\. Give --model a decoder of the Qwen2 family/,
    );
  });

  const softmax = (model: ModelProto, layer: number): NodeProto =>
    model.graph!.node.filter((node) => isOp(node, 'Softmax'))[layer]!;
  const maskAdd = (model: ModelProto, layer: number): NodeProto => {
    const node = new OnnxGraph(model).producer(softmax(model, layer).input[0]);
    if (!isOp(node, 'Add')) throw new Error('the mask is not added right before the softmax');
    return node;
  };

  it.each<[string, (model: ModelProto) => unknown, RegExp]>([
    [
      'a mask that is not added',
      (model) => (maskAdd(model, 2).opType = 'Max'),
      /Max '.*layers\.2\/.*Add.*' stands before it/,
    ],
    ['another axis', (model) => (softmax(model, 2).attribute[0]!.i = 1n), /its axis is 1/],
  ])('layer 2 with %s', async (_name, edit, says) => {
    const copy = await folder.copy('qwen2-optimum-eager', (path) => editModel(path, edit));
    await expectRefused(
      copy,
      /layer 2: the attention at node "\/model\/layers\.2\/self_attn\/Softmax" \(Softmax\) was not recognised/,
      says,
      /Report this node as an issue/,
    );
  });

  it('is refused alike by a process of its own, which leaves nothing of the one that ran the mask', async () => {
    const copy = await folder.copy('qwen2-optimum-eager', (path) =>
      editModel(path, (model) => (softmax(model, 2).attribute[0]!.i = 1n)),
    );
    for (const command of ['run', 'inspect']) {
      const started = await run([command, '--model', copy]);
      expectRefusal(started, EXIT.model, 'its axis is 1');
      expect(started).toEqual(await call([command, '--model', copy]));
    }
  });
});

describe('external data', () => {
  const dynamo = (damage: (path: string) => unknown): Promise<string> =>
    folder.copy('qwen2-dynamo', damage);
  const pointing = (location: string): Promise<string> =>
    dynamo((path) =>
      editModel(path, (model) => {
        const tensor = model.graph!.initializer.find(
          (item: TensorProto) => item.dataLocation === DataLocation.EXTERNAL,
        )!;
        tensor.externalData.find(({ key }) => key === 'location')!.value = location;
      }),
    );

  it('missing', async () => {
    const copy = await dynamo((path) => rm(join(path, 'model.onnx.data')));
    await expectRefused(
      copy,
      join(copy, 'model.onnx.data'),
      /no such file, yet the model keeps the weights of ".+" in it\. Copy it beside/,
    );
  });
  it('short', async () => {
    const copy = await dynamo((path) => truncate(join(path, 'model.onnx.data'), 700_000));
    await expectRefused(
      copy,
      join(copy, 'model.onnx.data'),
      /700000 bytes, but the weights of ".+" end at byte \d+.*copy or download it again/,
    );
  });
  it.each(['../x', 'a/../../x', '/etc/passwd'])('outside the folder: %s', async (location) => {
    const copy = await pointing(location);
    await expectRefused(
      copy,
      `"${location}", outside the model's folder`,
      /Export the model again/,
    );
  });
  it('a damaged model is left as it was', async () => {
    const copy = await pointing('../x');
    const before = await readdir(copy);
    await expectRefused(copy);
    expect(await readdir(copy)).toEqual(before);
  });
});

import { mkdtempSync, openSync, rmSync, writeSync, closeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { StringStringEntryProtoSchema } from 'onnx-buf';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkExternalData } from '../../src/onnx/external.js';
import { encodeModel } from '../../src/onnx/read.js';
import { makeTensor } from '../../src/onnx/tensor.js';
import { DataLocation } from '../../src/onnx/types.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import type { TensorData } from '../../src/types.js';
import { tinyModel } from '../support/tinyGraph.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'attn-diff-large-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/** Numbers at a place far into a file that is otherwise a hole. */
function writeAt(path: string, offset: number, values: Float32Array): void {
  const file = openSync(path, 'w');
  writeSync(file, new Uint8Array(values.buffer), 0, values.byteLength, offset);
  closeSync(file);
}

const x = { type: 'float32', dims: [4], data: Float32Array.of(10, 20, 30, 40) } as const;

/** x plus each weight, every one of them four floats at its place in a data file of `folder`. */
async function sum(places: readonly { location: string; offset: number }[]): Promise<TensorData> {
  const names = places.map((_, i) => `w${i}`);
  const { model, outputs } = tinyModel({ x }, (builder) => [
    names.reduce((tensor, name) => builder.op('Add', [tensor, name]), 'x'),
  ]);
  for (const [i, { location, offset }] of places.entries()) {
    const weight = makeTensor(names[i]!, 'float32', [], [4]);
    weight.dataLocation = DataLocation.EXTERNAL;
    weight.externalData = Object.entries({ location, offset: String(offset), length: '16' }).map(
      ([key, value]) => create(StringStringEntryProtoSchema, { key, value }),
    );
    model.graph!.initializer.push(weight);
  }
  await expect(checkExternalData(model, folder)).resolves.toEqual(
    [...new Set(places.map(({ location }) => location))].toSorted(),
  );
  const session = await inProcessRunner().open(
    { model: { bytes: encodeModel(model), folder } },
    'test',
  );
  const tensors = await session.run({ x });
  await session.close();
  return tensors[outputs[0]!]!;
}

it.each([2 ** 31 + 4096, 2 ** 32 + 4096, 3 * 2 ** 32])(
  'a weight at byte %i of its data file is read',
  async (offset) => {
    writeAt(join(folder, 'w.bin'), offset, Float32Array.of(1, 2, 3, 4));
    expect((await sum([{ location: 'w.bin', offset }])).data).toEqual(
      Float32Array.of(11, 22, 33, 44),
    );
  },
);

it('weights may lie in several files', async () => {
  writeAt(join(folder, 'model.onnx_data'), 0, Float32Array.of(1, 2, 3, 4));
  writeAt(join(folder, 'model.onnx_data_1'), 64, Float32Array.of(100, 200, 300, 400));
  const { data } = await sum([
    { location: 'model.onnx_data', offset: 0 },
    { location: 'model.onnx_data_1', offset: 64 },
  ]);
  expect(data).toEqual(Float32Array.of(111, 222, 333, 444));
});

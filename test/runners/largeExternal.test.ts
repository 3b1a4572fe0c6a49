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

it.each([2 ** 31 + 4096, 2 ** 32 + 4096, 3 * 2 ** 32])('a weight at byte %i of its data file is read', async (offset) => {
  writeAt(join(folder, 'w.bin'), offset, Float32Array.of(1, 2, 3, 4));
  const x = { type: 'float32', dims: [4], data: Float32Array.of(10, 20, 30, 40) } as const;
  const { model, outputs } = tinyModel({ x }, (builder) => [builder.op('Add', ['x', 'w'])]);
  const weight = makeTensor('w', 'float32', [], [4]);
  weight.dataLocation = DataLocation.EXTERNAL;
  weight.externalData = Object.entries({ location: 'w.bin', offset: String(offset), length: '16' }).map(([key, value]) => create(StringStringEntryProtoSchema, { key, value }));
  model.graph!.initializer.push(weight);
  await expect(checkExternalData(model, folder)).resolves.toEqual(['w.bin']);
  const session = await inProcessRunner().open({ model: { bytes: encodeModel(model), folder } }, 'test');
  expect((await session.run({ x }))[outputs[0]!]!.data).toEqual(Float32Array.of(11, 22, 33, 44));
  await session.close();
});

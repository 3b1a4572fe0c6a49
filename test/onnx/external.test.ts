import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { StringStringEntryProtoSchema } from 'onnx-buf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkExternalData } from '../../src/onnx/external.js';
import { makeTensor } from '../../src/onnx/tensor.js';
import { DataLocation, type ModelProto } from '../../src/onnx/types.js';
import { tinyModel } from '../support/tinyGraph.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'attn-diff-test-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/** A model with one float32 weight of 4 elements, said to lie in external data. */
function external(fields: Record<string, string>): ModelProto {
  const { model } = tinyModel({}, (builder) => [builder.op('Identity', ['w'])]);
  const weight = makeTensor('w', 'float32', [], [4]);
  weight.dataLocation = DataLocation.EXTERNAL;
  weight.externalData = Object.entries(fields).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value }),
  );
  model.graph!.initializer.push(weight);
  return model;
}

describe('external data', () => {
  it('is found, and named once', async () => {
    writeFileSync(join(folder, 'w.bin'), new Uint8Array(24));
    await expect(
      checkExternalData(external({ location: 'w.bin', offset: '8', length: '16' }), folder),
    ).resolves.toEqual(['w.bin']);
  });

  it.each([
    ['external-data-missing', { location: 'none.bin' }],
    ['external-data-missing', { location: '.' }],
    ['external-data-short', { location: 'w.bin', offset: '9', length: '16' }],
    ['external-data-short', { location: 'w.bin', offset: '12' }],
    ['external-data-outside', { location: '../w.bin' }],
    ['external-data-outside', { location: 'a/../../w.bin' }],
    ['external-data-outside', { location: '/w.bin' }],
    ['external-data-invalid', { offset: '0' }],
    ['external-data-invalid', { location: 'w.bin', offset: '-1' }],
    ['external-data-invalid', { location: 'w.bin', offset: '1e99' }],
    ['external-data-invalid', { location: 'w.bin', length: '15' }],
  ])('%s: %j', async (code, fields: Record<string, string>) => {
    writeFileSync(join(folder, 'w.bin'), new Uint8Array(24));
    await expect(checkExternalData(external(fields), folder)).rejects.toMatchObject({ code });
  });
});

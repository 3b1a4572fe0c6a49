import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { StringStringEntryProtoSchema, TensorProtoSchema } from 'onnx-buf';
import { expect, test } from 'vitest';
import {
  sharedWeights,
  type WeightDigests,
} from '../../../src/attention/asConfigured/sharedWeights.js';
import { makeTensor } from '../../../src/onnx/tensor.js';
import { DataLocation, DataType } from '../../../src/onnx/types.js';
import { weightDigests } from '../../../src/pipeline/weightDigests.js';

const layer = (
  query: string | null,
  key: string | null,
  value: string | null,
  output: string | null,
): WeightDigests => ({ query, key, value, output });
const found = (...layers: WeightDigests[]): unknown[] =>
  sharedWeights(new Map(layers.entries())).map(({ part, layers: own }) => [part, own]);

test('a weight that two layers share, and no other, is told with both', () => {
  expect(
    found(layer('a', 'b', 'c', 'd'), layer('e', 'b', 'f', 'g'), layer('h', 'i', 'j', 'k')),
  ).toEqual([['key', [0, 1]]]);
});

test('layers that are alike throughout are no mistake, nor is an output of zeros beside them', () => {
  expect(found(layer('a', 'b', 'c', 'd'), layer('a', 'b', 'c', 'd'))).toEqual([]);
  expect(found(layer('a', 'b', 'c', 'd'), layer('a', 'b', 'c', null))).toEqual([]);
});

test('packed projections count as one', () => {
  expect(found(layer('a', 'a', 'a', 'd'), layer('a', 'a', 'a', 'e'))).toEqual([[null, [0, 1]]]);
});

test('digests are equal for equal bytes alone, wherever they lie', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'attn-diff-weights-'));
  try {
    // Alike at the beginning, the middle and the end, and different between them.
    const values = Array.from({ length: 8192 }, (_, i) => i);
    const other = values.with(2000, -1);
    const bytes = (list: readonly number[]): Buffer => Buffer.from(Float32Array.from(list).buffer);
    writeFileSync(join(folder, 'data'), Buffer.concat([bytes(values), bytes(other)]));
    const external = (offset: number): ReturnType<typeof makeTensor> => {
      const fields = { location: 'data', offset: String(offset), length: String(4 * 8192) };
      return create(TensorProtoSchema, {
        dataType: DataType.FLOAT,
        dims: [64n, 128n],
        dataLocation: DataLocation.EXTERNAL,
        externalData: Object.entries(fields).map(([key, value]) =>
          create(StringStringEntryProtoSchema, { key, value }),
        ),
      });
    };
    const inline = (list: readonly number[], dims = [64, 128]): ReturnType<typeof makeTensor> =>
      makeTensor('', 'float32', list, dims);
    const digests = await weightDigests(
      new Map([
        ['a', external(0)],
        ['b', external(4 * 8192)],
        ['c', inline(values)],
        ['d', inline(values, [128, 64])],
        ['zeros', inline(values.map(() => 0))],
      ]),
      folder,
    );
    expect(digests.get('a')).toBe(digests.get('c'));
    expect(new Set(['a', 'b', 'd'].map((name) => digests.get(name))).size).toBe(3);
    expect(digests.get('zeros')).toBeNull();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

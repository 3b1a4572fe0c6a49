import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { locateModel, type Dtype } from '../../src/model/index.js';
import { folderWith, QWEN2_CONFIG } from './helpers.js';

const ONNX_COMMUNITY = [
  'model',
  'model_fp16',
  'model_q4',
  'model_q4f16',
  'model_int8',
  'model_uint8',
  'model_quantized',
  'model_bnb4',
].map((name) => `onnx/${name}.onnx`);

function folderOf(...names: string[]): Promise<string> {
  return folderWith({
    'config.json': QWEN2_CONFIG,
    ...Object.fromEntries(names.map((name) => [name, 'x'])),
  });
}

describe('--dtype', () => {
  test.each<[Dtype, string]>([
    ['fp32', 'onnx/model.onnx'],
    ['fp16', 'onnx/model_fp16.onnx'],
    ['q4', 'onnx/model_q4.onnx'],
    ['q4f16', 'onnx/model_q4f16.onnx'],
    ['int8', 'onnx/model_int8.onnx'],
    ['uint8', 'onnx/model_uint8.onnx'],
    ['q8', 'onnx/model_quantized.onnx'],
    ['quantized', 'onnx/model_quantized.onnx'],
    ['bnb4', 'onnx/model_bnb4.onnx'],
  ])('%s is %s in a folder of onnx-community', async (dtype, file) => {
    const folder = await folderOf(...ONNX_COMMUNITY);
    expect(await locateModel(folder, { dtype })).toMatchObject({
      path: join(folder, file),
      onnxPath: join(folder, file),
    });
  });

  test('a file beside config.json comes before onnx/, another stem after', async () => {
    const folder = await folderOf(
      'model_q4.onnx',
      'onnx/model_q4.onnx',
      'onnx/decoder_model_merged_q4.onnx',
      'onnx/decoder_model_merged_fp16.onnx',
    );
    expect((await locateModel(folder, { dtype: 'q4' })).onnxPath).toBe(
      join(folder, 'model_q4.onnx'),
    );
    expect((await locateModel(folder, { dtype: 'fp16' })).onnxPath).toBe(
      join(folder, 'onnx/decoder_model_merged_fp16.onnx'),
    );
  });

  test('without it: model.onnx', async () => {
    const folder = await folderOf(...ONNX_COMMUNITY);
    expect(await locateModel(folder)).toMatchObject({
      path: folder,
      onnxPath: join(folder, 'onnx/model.onnx'),
    });
  });

  test('one that is not there: those that are', async () => {
    const folder = await folderOf('onnx/model_q4.onnx', 'onnx/model_quantized.onnx', 'other.onnx');
    await expect(locateModel(folder, { dtype: 'fp16' })).rejects.toMatchObject({
      code: 'dtype-missing',
      args: { folder, dtype: 'fp16', available: ['q8', 'q4'] },
      exitCode: 3,
    });
    await expect(locateModel(folder, { dtype: 'fp32' })).rejects.toMatchObject({
      code: 'dtype-missing',
    });
  });

  test('several without it: ambiguous, with the dtypes that choose', async () => {
    const folder = await folderOf('onnx/model_q4.onnx', 'onnx/model_fp16.onnx');
    await expect(locateModel(folder)).rejects.toMatchObject({
      code: 'model-ambiguous',
      args: { dtypes: ['fp16', 'q4'] },
    });
    await expect(locateModel(await folderOf('a.onnx', 'b.onnx'))).rejects.toMatchObject({
      code: 'model-ambiguous',
      args: { dtypes: [] },
    });
  });

  test('with a file it is a mistake', async () => {
    const folder = await folderOf('model.onnx', 'model_q4.onnx');
    await expect(locateModel(join(folder, 'model.onnx'), { dtype: 'q4' })).rejects.toMatchObject({
      code: 'bad-option',
      args: { option: '--dtype' },
      exitCode: 2,
    });
  });
});

import { chmod, symlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openModelSource } from '../../src/model/index.js';
import { folderWith, QWEN2_CONFIG } from './helpers.js';

const parts = { 'config.json': QWEN2_CONFIG, 'tokenizer.json': {} };

describe('openModelSource', () => {
  test('a file with config.json beside it', async () => {
    const folder = await folderWith({ ...parts, 'a.onnx': 'x', 'b.onnx': 'x' });
    const path = join(folder, 'b.onnx');
    expect(await openModelSource(path)).toMatchObject({
      path,
      folder,
      onnxPath: path,
      tokenizerPath: join(folder, 'tokenizer.json'),
      config: { layers: 24 },
    });
  });

  test("a file in onnx/ takes the parent's config.json, by a relative path too", async () => {
    const folder = await folderWith({ ...parts, 'onnx/model_fp16.onnx': 'x' });
    const path = relative(process.cwd(), join(folder, 'onnx', 'model_fp16.onnx'));
    const source = await openModelSource(path);
    expect(source).toMatchObject({ path, onnxPath: path, folder: relative(process.cwd(), folder) });
    expect(source.tokenizerPath).not.toBeNull();
  });

  test('a file in onnx/, seen from there', async () => {
    const folder = await folderWith({ ...parts, 'onnx/model.onnx': 'x' });
    const before = process.cwd();
    process.chdir(join(folder, 'onnx'));
    onTestFinished(() => process.chdir(before));
    expect(await openModelSource('model.onnx')).toMatchObject({
      folder: '..',
      onnxPath: 'model.onnx',
    });
  });

  test('a file in onnx/ prefers the config.json beside it', async () => {
    const folder = await folderWith({
      ...parts,
      'onnx/config.json': { ...QWEN2_CONFIG, num_hidden_layers: 2 },
      'onnx/model.onnx': 'x',
    });
    expect((await openModelSource(folder)).config.layers).toBe(2);
  });

  test("a file elsewhere does not take the parent's config.json", async () => {
    const folder = await folderWith({ ...parts, 'weights/model.onnx': 'x' });
    await expect(openModelSource(join(folder, 'weights'))).rejects.toMatchObject({
      code: 'config-missing',
      args: { path: join(folder, 'weights', 'config.json') },
    });
  });

  test.each([
    ['model.onnx', ['model.onnx', 'onnx/model.onnx', 'a.onnx']],
    ['onnx/model.onnx', ['onnx/model.onnx', 'a.onnx', 'onnx/model_q4.onnx']],
    ['a.onnx', ['a.onnx', 'model.onnx_data']],
    ['onnx/model_q4.onnx', ['onnx/model_q4.onnx', 'onnx/model_q4.onnx_data']],
  ])('in a folder it takes %s of %j', async (chosen, names) => {
    const folder = await folderWith({
      ...parts,
      ...Object.fromEntries(names.map((name) => [name, 'x'])),
    });
    expect(await openModelSource(folder)).toMatchObject({
      path: folder,
      folder,
      onnxPath: join(folder, chosen),
    });
  });

  test("follows links, as the hub's cache has them", async () => {
    const blobs = await folderWith({ blob: 'x' });
    const folder = await folderWith(parts);
    await symlink(join(blobs, 'blob'), join(folder, 'model.onnx'));
    expect((await openModelSource(folder)).folder).toBe(folder);
  });

  test('several files are ambiguous, and listed', async () => {
    const folder = await folderWith({
      ...parts,
      'b.onnx': 'x',
      'a.onnx': 'x',
      'onnx/c.onnx': 'x',
      'model.onnx/d': 'x',
    });
    await expect(openModelSource(folder)).rejects.toMatchObject({
      code: 'model-ambiguous',
      args: { folder, files: ['a.onnx', 'b.onnx', 'onnx/c.onnx'] },
      exitCode: 3,
    });
  });

  test('no tokenizer is null', async () => {
    const folder = await folderWith({ 'config.json': QWEN2_CONFIG, 'model.onnx': 'x' });
    expect((await openModelSource(folder)).tokenizerPath).toBeNull();
  });

  test('bad paths', async () => {
    const folder = await folderWith({ ...parts, 'empty.onnx': '', 'sub/model.safetensors': 'x' });
    const code = (path: string) =>
      openModelSource(path).then(
        () => 'opened',
        (error) => error.code,
      );
    expect(await code(join(folder, 'nowhere'))).toBe('model-not-found');
    expect(await code(join(folder, 'empty.onnx', 'below'))).toBe('model-not-found');
    expect(await code('')).toBe('model-not-found');
    expect(await code(join(folder, 'empty.onnx'))).toBe('model-empty');
    expect(await code(folder)).toBe('model-empty');
    expect(await code(join(folder, 'sub'))).toBe('model-no-onnx');
    expect(await code('/dev/null')).toBe('model-unreadable');
  });

  test.skipIf(process.getuid?.() === 0)('no permission', async () => {
    const folder = await folderWith({ ...parts, 'model.onnx': 'x' });
    await chmod(join(folder, 'model.onnx'), 0);
    await expect(openModelSource(folder)).rejects.toMatchObject({
      code: 'model-unreadable',
      args: { problem: 'EACCES' },
    });
  });
});

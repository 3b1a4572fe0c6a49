import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { locateModel } from '../../src/model/index.js';
import { HubFixture, REPO } from '../support/hubFixture.js';
import { folderWith, QWEN2_CONFIG } from './helpers.js';

/** Works from inside a folder with these files. */
async function inFolder(files: Record<string, unknown>): Promise<string> {
  const folder = await folderWith(files);
  const before = process.cwd();
  process.chdir(folder);
  onTestFinished(() => process.chdir(before));
  return folder;
}

describe('a path or a hub id', () => {
  test('a path that exists wins, unless hf: is said', async () => {
    await inFolder({ [`${REPO}/config.json`]: QWEN2_CONFIG, [`${REPO}/model.onnx`]: 'x' });
    const hub = await HubFixture.start();
    expect((await locateModel(REPO, { hub: hub.options })).onnxPath).toBe(join(REPO, 'model.onnx'));
    expect(hub.server.hits).toEqual([]);
    expect((await locateModel(`hf:${REPO}`, { hub: hub.options })).onnxPath).toContain(hub.home);
  });

  test('a folder with an @ in its name', async () => {
    await inFolder({ 'owner/name@v1.0/model.onnx': 'x' });
    expect((await locateModel('owner/name@v1.0')).onnxPath).toBe('owner/name@v1.0/model.onnx');
  });

  test.each(['./owner/name', '/nowhere/name', 'owner/model.onnx', 'a/b/c', 'name', ''])(
    '%j is never asked for',
    async (path) => {
      await inFolder({});
      const hub = await HubFixture.start();
      await expect(locateModel(path, { hub: hub.options })).rejects.toMatchObject({
        code: 'model-not-found',
        args: { path },
      });
      expect(hub.server.hits).toEqual([]);
    },
  );

  test('nor what is there as a link to nothing', async () => {
    await inFolder({});
    await mkdir('owner');
    await symlink('nowhere', REPO);
    const hub = await HubFixture.start();
    await expect(locateModel(REPO, { hub: hub.options })).rejects.toMatchObject({
      code: 'model-not-found',
    });
    expect(hub.server.hits).toEqual([]);
  });
});

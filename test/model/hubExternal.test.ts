import { cp, mkdir, readFile, realpath, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadModel, type LoadedModel } from '../../src/pipeline/load.js';
import { checkRebuild } from '../../src/pipeline/rebuildCheck.js';
import { resolveSites } from '../../src/pipeline/resolve.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import { fixture } from '../support/fixtures.js';
import { HubFixture, NEW, REPO } from '../support/hubFixture.js';
import { folderWith } from './helpers.js';

const NAME = 'qwen2-dynamo';

/** Opens the unmodified file and the rebuilt graph, and tells how far apart they are. */
async function difference(loaded: LoadedModel): Promise<number> {
  const runner = inProcessRunner();
  return (await checkRebuild(loaded, await resolveSites(loaded, runner), runner)).check
    .originalRelL2;
}

async function repository(): Promise<HubFixture> {
  const file = async (name: string): Promise<Uint8Array> => readFile(fixture(NAME, name));
  return HubFixture.start(
    {
      [NEW]: {
        files: {
          'config.json': await file('config.json'),
          'tokenizer.json': await file('tokenizer.json'),
          'tokenizer_config.json': await file('tokenizer_config.json'),
          'onnx/model.onnx': await file('model.onnx'),
          'onnx/model.onnx.data': await file('model.onnx.data'),
          'onnx/model_fp16.onnx.data': Buffer.from('not needed'),
        },
      },
    },
    { main: NEW },
  );
}

describe('external data that is a link out of the folder', () => {
  test("the hub's cache: loads, and runs unmodified and rebuilt", async () => {
    const hub = await repository();
    const loaded = await loadModel(REPO, { hub: hub.options });
    expect(loaded.source).toMatchObject({
      path: `${REPO}@${NEW} (onnx/model.onnx)`,
      folder: join(hub.cache('snapshots', NEW, 'onnx'), '..'),
    });
    expect(loaded.externalFiles).toEqual(['model.onnx.data']);
    expect(loaded.folder).toBe(await realpath(hub.cache('blobs')));
    expect(hub.server.hits.map(({ path }) => path).filter((path) => path.includes('fp16'))).toEqual(
      [],
    );
    expect(await difference(loaded)).toBeLessThan(1e-6);
  });

  test('a data file that lies on another disk', async () => {
    const elsewhere = await folderWith({});
    const folder = await folderWith({});
    await cp(fixture(NAME), folder, { recursive: true });
    await mkdir(join(elsewhere, 'deep'));
    await rename(join(folder, 'model.onnx.data'), join(elsewhere, 'deep/weights.bin')).catch(
      async () => {
        await cp(join(folder, 'model.onnx.data'), join(elsewhere, 'deep/weights.bin'));
        await rm(join(folder, 'model.onnx.data'));
      },
    );
    await symlink(join(elsewhere, 'deep/weights.bin'), join(folder, 'model.onnx.data'));
    expect(await difference(await loadModel(folder))).toBeLessThan(1e-6);
  });

  test('without links the folder stays as it is', async () => {
    const loaded = await loadModel(fixture(NAME));
    expect(loaded.folder).toBe(fixture(NAME));
    expect(loaded.unmodified).toEqual({ path: fixture(NAME, 'model.onnx') });
  });
});

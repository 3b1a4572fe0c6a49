import {
  cp,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { COMMITS, HubFixture, NEW, OLD, REPO, WEIGHTS } from '../support/hubFixture.js';
import { gitSha1, sha256 } from '../support/hubServer.js';

const { files: FILES } = COMMITS[NEW]!;
const CONTENTS: Readonly<Record<string, Uint8Array>> = FILES;

async function tree(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
}

describe('a model on the hub', () => {
  test('is laid out in the cache as Python does it', async () => {
    const hub = await HubFixture.start();
    const model = await hub.fetch();
    expect(model).toMatchObject({
      commit: NEW,
      file: 'onnx/model.onnx',
      onnxPath: hub.cache('snapshots', NEW, 'onnx/model.onnx'),
    });
    const needed = [
      'config.json',
      'onnx/model.onnx',
      'onnx/model.onnx_data',
      'tokenizer.json',
      'tokenizer_config.json',
    ];
    const names = needed.map((name) =>
      (name.startsWith('onnx/') ? sha256 : gitSha1)(CONTENTS[name]!),
    );
    expect(await tree(hub.cache())).toEqual(
      [...new Set(names)]
        .map((name) => `blobs/${name}`)
        .concat(
          'refs/main',
          needed.map((name) => `snapshots/${NEW}/${name}`),
        )
        .sort(),
    );
    expect(await readFile(hub.cache('refs/main'), 'utf8')).toBe(NEW);
    expect(await readlink(model.onnxPath)).toBe(
      join('../../../blobs', sha256(FILES['onnx/model.onnx'])),
    );
    expect((await readFile(join(dirname(model.onnxPath), 'model.onnx_data'))).equals(WEIGHTS)).toBe(
      true,
    );
  });

  test('a hub that keeps LFS files on its own host', async () => {
    const hub = await HubFixture.start();
    hub.server.sameHost = true;
    await hub.fetch();
    expect(await tree(hub.cache('blobs'))).toContain(sha256(WEIGHTS));
  });

  test('a second time nothing is downloaded', async () => {
    const hub = await HubFixture.start();
    await hub.fetch();
    expect(hub.server.downloads).not.toHaveLength(0);
    hub.server.hits.length = 0;
    await hub.fetch();
    expect(hub.server.hits.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `GET /api/models/${REPO}/revision/main`,
    ]);
  });

  test('progress counts up to the size of each file', async () => {
    const hub = await HubFixture.start();
    await hub.fetch();
    const data = hub.progress.filter(({ file }) => file === 'onnx/model.onnx_data');
    expect(data[0]).toEqual({
      file: 'onnx/model.onnx_data',
      received: 0,
      total: WEIGHTS.byteLength,
    });
    expect(data.at(-1)).toEqual({
      file: 'onnx/model.onnx_data',
      received: WEIGHTS.byteLength,
      total: WEIGHTS.byteLength,
    });
    expect(data.length).toBeGreaterThan(2);
  });

  test.each([
    ['v1.0', OLD],
    [OLD, OLD],
    ['refs/pr/1', NEW],
    ['main', NEW],
  ])('revision %s', async (revision, commit) => {
    const hub = await HubFixture.start();
    const model = await hub.fetch(`${REPO}@${revision}`);
    expect(model.commit).toBe(commit);
    expect(await readFile(model.onnxPath, 'utf8')).toBe(commit === OLD ? 'old graph' : 'new graph');
    expect(await tree(hub.cache('refs')).catch(() => [])).toEqual(
      revision === OLD ? [] : [revision],
    );
  });

  test('what two commits share is downloaded once', async () => {
    const hub = await HubFixture.start();
    await hub.fetch(`${REPO}@v1.0`);
    hub.server.hits.length = 0;
    await hub.fetch();
    expect(hub.server.downloads.map(({ path }) => path)).toEqual([
      `/lfs/${sha256(FILES['onnx/model.onnx'])}`,
      `/lfs/${sha256(WEIGHTS)}`,
    ]);
  });

  test('--dtype chooses, and the rest is left', async () => {
    const hub = await HubFixture.start();
    const model = await hub.fetch(REPO, { dtype: 'q4', data: [] });
    expect(model.file).toBe('onnx/model_q4.onnx');
    expect(await tree(hub.cache('snapshots', NEW))).toEqual([
      'config.json',
      'onnx/model_q4.onnx',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
  });

  test('a dtype that it does not have', async () => {
    const hub = await HubFixture.start();
    await expect(hub.fetch(REPO, { dtype: 'fp16' })).rejects.toMatchObject({
      code: 'dtype-missing',
      args: { folder: REPO, available: ['fp32', 'q4'] },
    });
    expect(hub.server.downloads).toEqual([]);
  });

  test("an export of onnxruntime-genai's builder has another configuration", async () => {
    const decoder = {
      head_size: 16,
      hidden_size: 64,
      num_attention_heads: 4,
      num_hidden_layers: 2,
      num_key_value_heads: 2,
    };
    const genai = Buffer.from(
      JSON.stringify({ model: { type: 'qwen2', vocab_size: 512, context_length: 256, decoder } }),
    );
    const hub = await HubFixture.start({
      [NEW]: {
        files: { 'genai_config.json': genai, 'model.onnx': WEIGHTS, 'model.onnx.data': WEIGHTS },
      },
    });
    await hub.fetch(REPO, { data: ['model.onnx.data'] });
    expect(await tree(hub.cache('snapshots', NEW))).toEqual([
      'genai_config.json',
      'model.onnx',
      'model.onnx.data',
    ]);
  });

  test('a configuration that is not supported ends it before the weights come', async () => {
    const hub = await HubFixture.start({
      [NEW]: { files: { ...FILES, 'config.json': Buffer.from('{"model_type":"bert"}') } },
    });
    await expect(hub.fetch()).rejects.toMatchObject({ code: 'config-unsupported' });
    expect(hub.server.lfsBytes).toBe(0);
  });

  test.each([
    [
      'hub-no-onnx',
      { 'config.json': FILES['config.json'], 'cpu/int4/model.onnx': WEIGHTS },
      ['cpu/int4/model.onnx'],
    ],
    [
      'hub-ambiguous',
      { 'config.json': FILES['config.json'], 'a.onnx': WEIGHTS, 'onnx/b.onnx': WEIGHTS },
      ['a.onnx', 'onnx/b.onnx'],
    ],
  ])('%s', async (code, files, named) => {
    const hub = await HubFixture.start({ [NEW]: { files: files as Record<string, Uint8Array> } });
    await expect(hub.fetch()).rejects.toMatchObject({ code, args: { files: named }, exitCode: 3 });
  });

  test('external data that lead out of the repository are not asked for', async () => {
    const hub = await HubFixture.start();
    await hub.fetch(REPO, { data: ['../../x', '/etc/passwd', 'model.onnx'] });
    expect(hub.server.hits.filter(({ path }) => /passwd|\/x$/.test(path))).toEqual([]);
  });

  test('names from the hub that lead out of the cache are no files', async () => {
    const hub = await HubFixture.start({
      [NEW]: {
        files: {
          'config.json': FILES['config.json'],
          '../evil.onnx': WEIGHTS,
          'onnx/../../evil.onnx': WEIGHTS,
        },
      },
    });
    await expect(hub.fetch()).rejects.toMatchObject({ code: 'hub-no-onnx', args: { files: [] } });
  });

  test('without links: files of their own', async () => {
    const hub = await HubFixture.start();
    hub.env = { HF_HUB_DISABLE_SYMLINKS: '1' };
    const { onnxPath } = await hub.fetch();
    expect((await lstat(onnxPath)).isFile()).toBe(true);
    expect(await readFile(onnxPath, 'utf8')).toBe('new graph');
  });

  test('a link whose blob is gone is made again', async () => {
    const hub = await HubFixture.start();
    const { onnxPath } = await hub.fetch();
    await rm(hub.cache('blobs', sha256(FILES['onnx/model.onnx'])));
    await hub.fetch();
    expect(await readFile(onnxPath, 'utf8')).toBe('new graph');
  });

  test('a cache that cannot be written', async () => {
    const hub = await HubFixture.start();
    await writeFile(join(hub.home, 'hub'), 'a file');
    await expect(hub.fetch()).rejects.toMatchObject({ code: 'hub-cache', exitCode: 3 });
  });
});

/** What huggingface_hub 2.4.0 left after hf_hub_download of these files; the blobs are written read-write, the ref without a line end. */
async function pythonCache(hub: HubFixture, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const content = CONTENTS[name]!;
    const etag = /\.onnx(?:_data)?$/.test(name) ? sha256(content) : gitSha1(content);
    const pointer = hub.cache('snapshots', NEW, name);
    await mkdir(hub.cache('blobs'), { recursive: true });
    await mkdir(dirname(pointer), { recursive: true });
    await writeFile(hub.cache('blobs', etag), content);
    await symlink(join('../'.repeat(1 + name.split('/').length), 'blobs', etag), pointer);
  }
  await mkdir(hub.cache('refs'), { recursive: true });
  await writeFile(hub.cache('refs/main'), NEW);
  await mkdir(hub.cache('.no_exist', NEW), { recursive: true });
  await writeFile(hub.cache('.no_exist', NEW, 'added_tokens.json'), '');
  await mkdir(join(hub.home, 'hub/.locks/models--owner--name'), { recursive: true });
  await writeFile(
    join(hub.home, 'hub/CACHEDIR.TAG'),
    'Signature: 8a477f597d28d172789f06886806bc55',
  );
}
const ALL = [
  'config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'onnx/model.onnx',
  'onnx/model.onnx_data',
] as const;

describe("Python's cache", () => {
  test('is reused', async () => {
    const hub = await HubFixture.start();
    await pythonCache(hub, ALL);
    await hub.fetch();
    expect(hub.server.hits).toHaveLength(1);
  });

  test('is added to', async () => {
    const hub = await HubFixture.start();
    await pythonCache(hub, ['config.json', 'tokenizer.json']);
    await hub.fetch();
    expect(hub.server.downloads.map(({ path }) => path)).toEqual([
      `/lfs/${sha256(FILES['onnx/model.onnx'])}`,
      `/lfs/${sha256(WEIGHTS)}`,
    ]);
  });

  test('is enough offline', async () => {
    const hub = await HubFixture.start();
    await pythonCache(hub, ALL);
    hub.env = { HF_HUB_OFFLINE: '1' };
    expect((await hub.fetch()).onnxPath).toBe(hub.cache('snapshots', NEW, 'onnx/model.onnx'));
    expect(hub.server.hits).toEqual([]);
  });
});

describe('offline', () => {
  test.each(['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'])(
    '%s: from the cache, without a request',
    async (name) => {
      const hub = await HubFixture.start();
      await hub.fetch();
      hub.server.hits.length = 0;
      hub.env = { [name]: '1' };
      expect((await hub.fetch()).commit).toBe(NEW);
      expect((await hub.fetch(`${REPO}@${NEW}`)).commit).toBe(NEW);
      expect(hub.server.hits).toEqual([]);
    },
  );

  test('what is not there is named', async () => {
    const hub = await HubFixture.start();
    hub.env = { HF_HUB_OFFLINE: '1' };
    await expect(hub.fetch(`${REPO}@v1.0`)).rejects.toMatchObject({
      code: 'hub-offline',
      args: { what: `${REPO}@v1.0`, cache: join(hub.home, 'hub') },
      exitCode: 3,
    });
    await pythonCache(hub, ['config.json', 'onnx/model.onnx']);
    await expect(hub.fetch()).rejects.toMatchObject({
      code: 'hub-offline',
      args: { what: `onnx/model.onnx_data of ${REPO}` },
    });
    await expect(hub.fetch(REPO, { dtype: 'q4' })).rejects.toMatchObject({
      code: 'dtype-missing',
      args: { available: ['fp32'] },
    });
    expect(hub.server.hits).toEqual([]);
  });

  test('another dtype than the default is never taken unasked', async () => {
    const hub = await HubFixture.start();
    await pythonCache(hub, ['config.json', 'onnx/model_q4.onnx']);
    hub.env = { HF_HUB_OFFLINE: '1' };
    await expect(hub.fetch(REPO, { data: [] })).rejects.toMatchObject({
      code: 'hub-ambiguous',
      args: { dtypes: ['q4'] },
    });
    expect((await hub.fetch(REPO, { dtype: 'q4', data: [] })).file).toBe('onnx/model_q4.onnx');
  });

  test('a hub that cannot be reached: the cache, and it is said', async () => {
    const hub = await HubFixture.start();
    await hub.fetch();
    hub.env = { HF_ENDPOINT: 'http://127.0.0.1:9' };
    expect((await hub.fetch()).commit).toBe(NEW);
    expect(hub.notices).toEqual([
      expect.stringMatching(/127\.0\.0\.1:9 cannot be reached .* at commit a{40} from the cache/),
    ]);
    await expect(hub.fetch(`${REPO}@v1.0`)).rejects.toMatchObject({
      code: 'hub-unreachable',
      args: { what: `${REPO}@v1.0` },
    });
  });

  test('a copied cache works without links too', async () => {
    const hub = await HubFixture.start();
    await hub.fetch();
    const copy = join(hub.home, 'copy');
    await cp(join(hub.home, 'hub'), copy, { recursive: true, dereference: true });
    hub.env = { HF_HUB_CACHE: copy, HF_HUB_OFFLINE: '1' };
    expect((await hub.fetch()).onnxPath.startsWith(copy)).toBe(true);
  });
});

import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readHubSettings } from '../../src/model/hubSettings.js';
import { folderWith } from './helpers.js';

const NOWHERE = '/nowhere/hf';

describe('readHubSettings', () => {
  test('defaults', async () => {
    expect(await readHubSettings({ HF_HOME: NOWHERE })).toEqual({
      endpoint: 'https://huggingface.co',
      token: null,
      cache: join(NOWHERE, 'hub'),
      offline: false,
      symlinks: true,
      timeout: 30_000,
    });
  });

  test.each<[Record<string, string>, string]>([
    [{}, join(homedir(), '.cache/huggingface/hub')],
    [{ XDG_CACHE_HOME: '/x' }, '/x/huggingface/hub'],
    [{ XDG_CACHE_HOME: '/x', HF_HOME: '~/hf' }, join(homedir(), 'hf/hub')],
    [{ HF_HOME: '$BASE/hf', BASE: '/b' }, '/b/hf/hub'],
    [{ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old' }, '/old'],
    [{ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old', HF_HUB_CACHE: '/new' }, '/new'],
    [{ HF_HOME: '' }, join(homedir(), '.cache/huggingface/hub')],
  ])('the cache with %j', async (env, cache) =>
    expect((await readHubSettings({ HF_TOKEN: 'x', ...env })).cache).toBe(cache),
  );

  test('the token: named, else stored, unless forbidden', async () => {
    const home = await folderWith({ token: 'stored\n', other: 'elsewhere' });
    const token = async (env: Record<string, string>) =>
      (await readHubSettings({ HF_HOME: home, ...env })).token;
    expect(await token({ HF_TOKEN: ' named\n' })).toBe('named');
    expect(await token({ HUGGING_FACE_HUB_TOKEN: 'older' })).toBe('older');
    expect(await token({})).toBe('stored');
    expect(await token({ HF_TOKEN_PATH: join(home, 'other') })).toBe('elsewhere');
    expect(await token({ HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' })).toBeNull();
  });

  test.each(['1', 'on', 'YES', 'True'])('offline: %s', async (value) => {
    expect((await readHubSettings({ HF_HOME: NOWHERE, HF_HUB_OFFLINE: value })).offline).toBe(true);
    expect((await readHubSettings({ HF_HOME: NOWHERE, TRANSFORMERS_OFFLINE: value })).offline).toBe(
      true,
    );
  });

  test('not offline: 0', async () =>
    expect((await readHubSettings({ HF_HOME: NOWHERE, HF_HUB_OFFLINE: '0' })).offline).toBe(false));

  test('an endpoint loses its slash', async () =>
    expect(
      (await readHubSettings({ HF_HOME: NOWHERE, HF_ENDPOINT: 'http://h:1/x/' })).endpoint,
    ).toBe('http://h:1/x'));

  test.each<[string, Record<string, string>]>([
    ['HF_ENDPOINT', { HF_ENDPOINT: 'huggingface.co' }],
    ['HF_ENDPOINT', { HF_ENDPOINT: 'file:///etc' }],
    ['HF_HUB_DOWNLOAD_TIMEOUT', { HF_HUB_DOWNLOAD_TIMEOUT: 'soon' }],
    ['HF_HUB_DOWNLOAD_TIMEOUT', { HF_HUB_DOWNLOAD_TIMEOUT: '-1' }],
  ])('a wrong %s', async (name, env) => {
    await expect(readHubSettings({ HF_HOME: NOWHERE, ...env })).rejects.toMatchObject({
      code: 'hub-setting',
      args: { name },
      exitCode: 3,
    });
  });

  test('a token that is none is not told', async () => {
    const error = await readHubSettings({ HF_HOME: NOWHERE, HF_TOKEN: 'geheim…' }).catch(
      (thrown: Error) => thrown,
    );
    expect(error).toMatchObject({ code: 'hub-setting', args: { name: 'HF_TOKEN' } });
    expect(JSON.stringify(error)).not.toContain('geheim');
  });
});

import { mkdir, readdir, readFile, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ownOwner } from '../../src/files/owner.js';
import { fetchHubModel } from '../../src/model/hub.js';
import { parseHubId } from '../../src/model/hubId.js';
import { HubFixture, NEW, REPO, WEIGHTS } from '../support/hubFixture.js';
import { sha256 } from '../support/hubServer.js';

const DATA = `/lfs/${sha256(WEIGHTS)}`;

function bytesOf(hub: HubFixture, path = DATA): number {
  return hub.server.hits
    .filter((hit) => hit.path === path)
    .reduce((sum, { sent }) => sum + sent, 0);
}

async function blob(hub: HubFixture): Promise<Buffer> {
  return readFile(hub.cache('snapshots', NEW, 'onnx/model.onnx_data'));
}

/** Lets the graph come whole and then cuts the data, as often as there are numbers. */
async function cutting(hub: HubFixture, ...cuts: number[]): Promise<void> {
  await hub.fetch(REPO, { data: [] });
  hub.server.cuts = cuts;
}

async function leavings(hub: HubFixture): Promise<string[]> {
  return (await readdir(hub.cache('blobs'))).filter((name) => /\.(?:incomplete|lock)$/.test(name));
}

/** Bytes that a socket may hold when it is cut. */
const IN_FLIGHT = 256 * 1024;

describe('a connection cut in the middle', () => {
  test('is taken up again where it broke off', async () => {
    const hub = await HubFixture.start();
    await cutting(hub, 1_000_000, 500_000, 1);
    await hub.fetch();
    expect((await blob(hub)).equals(WEIGHTS)).toBe(true);
    const starts = hub.server.hits
      .filter(({ path }) => path === DATA)
      .map(({ range }) => Number(/^bytes=(\d+)-$/.exec(range ?? 'bytes=0-')?.[1]));
    // What was on its way when a connection was cut is lost, and asked for again: a socket's buffer at the most.
    [0, 1_000_000, 1_500_000, 1_500_001].forEach((cut, i) => {
      expect(starts[i]).toBeLessThanOrEqual(cut);
      expect(starts[i]).toBeGreaterThan(cut - IN_FLIGHT);
    });
    expect(starts).toHaveLength(4);
    expect(bytesOf(hub)).toBeLessThan(WEIGHTS.byteLength + 3 * IN_FLIGHT);
    expect(await leavings(hub)).toEqual([]);
  });

  test('again and again is an error, and the next run goes on from there', async () => {
    const hub = await HubFixture.start();
    await cutting(hub, 700_000, 0, 0, 0, 0);
    await expect(hub.fetch()).rejects.toMatchObject({
      code: 'hub-cut',
      args: { file: 'onnx/model.onnx_data', received: 700_000 },
      exitCode: 3,
    });
    await hub.fetch();
    expect((await blob(hub)).equals(WEIGHTS)).toBe(true);
    expect(bytesOf(hub)).toBe(WEIGHTS.byteLength);
  });

  test('is no end as long as it brings something on', async () => {
    const hub = await HubFixture.start();
    await cutting(hub, 0, 0, 0, 1_100_000, 0, 0, 0, 1_100_000, 0, 0);
    await hub.fetch();
    expect((await blob(hub)).equals(WEIGHTS)).toBe(true);
  });

  test('a server without ranges sends all again', async () => {
    const hub = await HubFixture.start();
    await cutting(hub, 1_000_000);
    hub.server.ranges = false;
    await hub.fetch();
    expect((await blob(hub)).equals(WEIGHTS)).toBe(true);
    expect(bytesOf(hub)).toBe(1_000_000 + WEIGHTS.byteLength);
  });
});

describe('what an earlier run left', () => {
  const leave = async (hub: HubFixture, content: Uint8Array): Promise<void> => {
    await hub.fetch(REPO, { data: [] });
    await writeFile(hub.cache('blobs', `${sha256(WEIGHTS)}.attn-diff.incomplete`), content);
  };

  test('whole: only checked', async () => {
    const hub = await HubFixture.start();
    await leave(hub, WEIGHTS);
    await hub.fetch();
    expect((await blob(hub)).equals(WEIGHTS)).toBe(true);
    expect(bytesOf(hub)).toBe(0);
  });

  test.each([
    ['damaged', Buffer.alloc(1_000_000)],
    ['damaged, of full size', Buffer.alloc(WEIGHTS.byteLength)],
    ['too long', Buffer.alloc(WEIGHTS.byteLength + 1)],
  ])('%s: fetched anew', async (_name, content) => {
    const hub = await HubFixture.start();
    await leave(hub, content);
    await hub.fetch();
    expect((await blob(hub)).equals(WEIGHTS)).toBe(true);
  });
});

describe('what comes is checked', () => {
  test('a wrong checksum: an error, and nothing is kept', async () => {
    const hub = await HubFixture.start();
    await hub.fetch(REPO, { data: [] });
    hub.server.corrupt = true;
    await expect(hub.fetch()).rejects.toMatchObject({
      code: 'hub-checksum',
      args: { file: 'onnx/model.onnx_data', expected: sha256(WEIGHTS) },
      exitCode: 3,
    });
    expect(await leavings(hub)).toEqual([]);
    expect(await readdir(hub.cache('snapshots', NEW, 'onnx'))).toEqual(['model.onnx']);
    hub.server.corrupt = false;
    await hub.fetch();
    expect((await blob(hub)).equals(WEIGHTS)).toBe(true);
  });
});

describe('room on the disk', () => {
  test('is looked for before anything comes', async () => {
    const hub = await HubFixture.start();
    hub.server.claimedSize = 2 ** 52;
    await expect(hub.fetch()).rejects.toMatchObject({
      code: 'hub-cache',
      args: { problem: expect.stringMatching(/^onnx\/model\.onnx needs \d+ bytes more/) },
      exitCode: 3,
    });
    expect(hub.server.lfsBytes).toBe(0);
  });

  test('a file that is shorter than it was said to be', async () => {
    const hub = await HubFixture.start();
    hub.server.claimedSize = WEIGHTS.byteLength + 1;
    await expect(hub.fetch()).rejects.toMatchObject({
      code: 'hub-cut',
      args: { file: 'onnx/model.onnx' },
    });
  });
});

describe('a server in trouble', () => {
  test.each([429, 500, 502, 503, 504])('%i is asked again', async (status) => {
    const hub = await HubFixture.start();
    hub.server.busy = [status, status];
    await hub.fetch();
    expect(hub.server.hits.filter((hit) => hit.status === status)).toHaveLength(2);
  });

  test('503 in the middle', async () => {
    const hub = await HubFixture.start();
    await hub.fetch(REPO, { data: [] });
    const { length } = hub.server.hits;
    // The API and the HEAD are answered before the LFS host is asked.
    hub.server.cuts = [1_000_000];
    const fetching = hub.fetch();
    while (
      !hub.server.hits.slice(length).some(({ path, sent }) => path === DATA && sent === 1_000_000)
    )
      await new Promise((resolve) => setImmediate(resolve));
    hub.server.busy = [503];
    await fetching;
    expect((await blob(hub)).equals(WEIGHTS)).toBe(true);
    expect(hub.server.hits.slice(length).filter(({ status }) => status === 503)).toHaveLength(1);
  });

  test('always 503', async () => {
    const hub = await HubFixture.start();
    hub.server.busy = Array.from({ length: 100 }, () => 503);
    await expect(hub.fetch()).rejects.toMatchObject({
      code: 'hub-unreachable',
      args: { problem: 'it answers 503' },
      exitCode: 3,
    });
    expect(hub.server.hits).toHaveLength(5);
  });

  test('418 is no answer of a hub', async () => {
    const hub = await HubFixture.start();
    hub.server.busy = [418];
    await expect(hub.fetch()).rejects.toMatchObject({
      code: 'hub-response',
      args: { problem: 'it answers 418' },
    });
  });

  test('one that is silent is left after the time that is set', async () => {
    const hub = await HubFixture.start();
    hub.server.silent = true;
    hub.env = { HF_HUB_DOWNLOAD_TIMEOUT: '0.05' };
    await expect(hub.fetch()).rejects.toMatchObject({
      code: 'hub-unreachable',
      args: { problem: 'it sent nothing for 0.05 s' },
    });
  });

  test.each([
    ['is silent', 'silent'],
    ['is slow', 'slow'],
    ['asks to come again', 'busy'],
  ])('one that %s is left at once when the caller says so', async (_, how) => {
    const hub = await HubFixture.start();
    const reason = new Error('enough');
    const controller = new AbortController();
    hub.signal = controller.signal;
    if (how === 'silent') hub.server.silent = true;
    if (how === 'slow') hub.server.slow = { bytes: 1000, wait: 5 };
    if (how === 'busy') hub.server.busy = Array.from({ length: 100 }, () => 429);
    const fetching = fetchHubModel(parseHubId(REPO)!, null, { ...hub.options, retryDelay: 60_000 });
    setTimeout(() => controller.abort(reason), 50);
    await expect(fetching.then((model) => model.fetchData(['model.onnx_data']))).rejects.toBe(
      reason,
    );
  });

  test('no server', async () => {
    const hub = await HubFixture.start();
    hub.env = { HF_ENDPOINT: 'http://127.0.0.1:9' };
    await expect(hub.fetch()).rejects.toMatchObject({ code: 'hub-unreachable', exitCode: 3 });
  });

  test('no host', async () => {
    const hub = await HubFixture.start();
    hub.env = { HF_ENDPOINT: 'http://nowhere.invalid' };
    await expect(hub.fetch()).rejects.toMatchObject({
      code: 'hub-unreachable',
      args: { endpoint: 'http://nowhere.invalid', problem: expect.stringMatching(/^E/) },
    });
  });
});

describe('access', () => {
  test('the token goes to the hub and not to the other host', async () => {
    const hub = await HubFixture.start();
    hub.server.token = 'hf_secret';
    hub.env = { HF_TOKEN: 'hf_secret' };
    await hub.fetch();
    const shown = (lfs: boolean): unknown[] => [
      ...new Set(
        hub.server.hits
          .filter(({ path }) => path.startsWith('/lfs/') === lfs)
          .map(({ authorization }) => authorization),
      ),
    ];
    expect(shown(false)).toEqual(['Bearer hf_secret']);
    expect(shown(true)).toEqual([undefined]);
  });

  test('the stored token', async () => {
    const hub = await HubFixture.start();
    hub.server.token = 'hf_stored';
    await writeFile(join(hub.home, 'token'), 'hf_stored');
    expect((await hub.fetch()).commit).toBe(NEW);
  });

  test.each([
    ['hub-denied', false, {}],
    ['hub-denied', false, { HF_TOKEN: 'hf_wrong' }],
    ['hub-gated', true, {}],
  ])('%s', async (code, gated, env) => {
    const hub = await HubFixture.start();
    Object.assign(hub.server, { token: 'hf_secret', gated });
    hub.env = env as Record<string, string>;
    const error = await hub.fetch().catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code, args: { repo: REPO }, exitCode: 3 });
    expect(JSON.stringify(error)).not.toContain('hf_wrong');
  });

  test.each([
    ['hub-repo-missing', 'owner/other', {}, { repo: 'owner/other' }],
    ['hub-revision-missing', `${REPO}@v9`, {}, { repo: REPO, revision: 'v9' }],
    ['hub-revision-missing', `${REPO}@${'b'.repeat(40)}`, {}, { revision: 'b'.repeat(40) }],
    [
      'hub-file-missing',
      REPO,
      { data: ['elsewhere.data'] },
      { repo: REPO, file: 'onnx/elsewhere.data' },
    ],
  ])('%s: %s', async (code, id, what, args) => {
    const hub = await HubFixture.start();
    await expect(hub.fetch(id, what)).rejects.toMatchObject({ code, args, exitCode: 3 });
  });
});

describe('two at once', () => {
  test('fetch each file once', async () => {
    const hub = await HubFixture.start();
    hub.server.slow = { bytes: 500_000, wait: 20 };
    await Promise.all([hub.fetch(), hub.fetch(), hub.fetch()]);
    expect(bytesOf(hub)).toBe(WEIGHTS.byteLength);
    expect(await leavings(hub)).toEqual([]);
  });

  test.each([
    ['a process that died', JSON.stringify({ ...ownOwner(), pid: 999_999_999 }), 0],
    [
      'a process that died and whose number this one has',
      JSON.stringify({ ...ownOwner(), started: '1' }),
      0,
    ],
    ['another machine, long ago', JSON.stringify({ ...ownOwner(), host: 'elsewhere' }), 120],
    ['an older version, long ago', '1@elsewhere', 120],
    ['nobody, long ago', '', 120],
  ])('a lock of %s is taken over', async (_name, holder, age) => {
    const hub = await HubFixture.start();
    await mkdir(hub.cache('blobs'), { recursive: true });
    const lock = hub.cache('blobs', `${sha256(WEIGHTS)}.attn-diff.lock`);
    await writeFile(lock, holder);
    const then = new Date(Date.now() - age * 1000);
    await utimes(lock, then, then);
    await hub.fetch();
    expect((await blob(hub)).equals(WEIGHTS)).toBe(true);
    expect(await leavings(hub)).toEqual([]);
  });

  test('who ignores the lock and damages the part is found out', async () => {
    const hub = await HubFixture.start();
    await hub.fetch(REPO, { data: [] });
    hub.server.slow = { bytes: 100_000, wait: 5 };
    const part = hub.cache('blobs', `${sha256(WEIGHTS)}.attn-diff.incomplete`);
    const first = hub.fetch();
    first.catch(() => undefined);
    while (!(await readdir(hub.cache('blobs'))).some((name) => name.endsWith('.incomplete')))
      await new Promise((resolve) => setTimeout(resolve, 1));
    await truncate(part, 0);
    await expect(first).rejects.toMatchObject({ code: 'hub-checksum' });
    expect(await leavings(hub)).toEqual([]);
  });
});

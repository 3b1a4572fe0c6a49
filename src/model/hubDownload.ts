import { mkdir, open, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AttnDiffError } from '../errors.js';
import { attempt } from './hubCache.js';
import { digestLike } from './hubDigest.js';
import { backOff, HubNetworkError, hubRequest, isBusy, type HubReply } from './hubHttp.js';
import { withHubLock } from './hubLock.js';
import type { HubSettings } from './hubSettings.js';

/** Bytes of a file whose length the server does not tell; weights always come with it. */
const LARGEST_UNTOLD = 1e9;

/** A file that the hub has. */
export interface HubFile {
  /** Its path in the repository. */
  name: string;
  url: string;
  etag: string;
  /** In bytes; null where the hub does not say. */
  size: number | null;
}

/** How far a file is; `received` counts what an earlier try has left too. */
export interface HubProgress {
  file: string;
  received: number;
  total: number | null;
}

export interface DownloadOptions {
  settings: HubSettings;
  onProgress: (progress: HubProgress) => void;
  /** Milliseconds before the second try; doubles with each. */
  retryDelay: number;
  /** The error for a status that no other try cures. */
  refuse: (reply: HubReply, file: string) => AttnDiffError;
}

/** Tries in a row that may bring next to nothing. */
const TRIES = 5;
/** A try that brings as many bytes is not counted. */
const PROGRESS_BYTES = 2 ** 20;

/**
 * Fetches a file of the hub into the cache, going on where an earlier try was cut off. It has its final name only when
 * it is whole and its digest is the one that the hub names.
 *
 * @throws AttnDiffError hub-cut, hub-checksum, hub-cache, and those of `refuse`
 */
export async function downloadBlob(
  path: string,
  file: HubFile,
  options: DownloadOptions,
): Promise<void> {
  await attempt(dirname(path), () => mkdir(dirname(path), { recursive: true }));
  await attempt(path, () =>
    withHubLock(`${path}.attn-diff.lock`, async () => {
      if ((await sizeOf(path)) !== null) return;
      const part = `${path}.attn-diff.incomplete`;
      await checkSpace(part, file);
      const resumed = ((await sizeOf(part)) ?? 0) > 0;
      let actual = await fetchWhole(part, file, options);
      // What an earlier process left may be what is wrong.
      if (actual !== file.etag && resumed) actual = await fetchWhole(part, file, options);
      if (actual !== file.etag)
        throw new AttnDiffError('hub-checksum', { file: file.name, expected: file.etag, actual });
      await rename(part, path);
    }),
  );
}

/** Tries until the part is whole. Returns its digest, or the etag itself where that is none; a part that is damaged is removed. */
async function fetchWhole(part: string, file: HubFile, options: DownloadOptions): Promise<string> {
  let failed = 0;
  for (;;) {
    const before = (await sizeOf(part)) ?? 0;
    let problem: string;
    let headers: Headers | undefined;
    try {
      const failure = await fetchRest(part, file, options);
      if (failure === null) return await check(part, file, options.settings.signal);
      ({ problem, headers } = failure);
    } catch (error) {
      if (!(error instanceof HubNetworkError)) throw error;
      ({ problem } = error);
      if (!error.transient) failed = TRIES;
    }
    const received = (await sizeOf(part)) ?? 0;
    failed = received - before >= PROGRESS_BYTES ? 1 : failed + 1;
    if (failed >= TRIES) throw new AttnDiffError('hub-cut', { file: file.name, received, problem });
    await backOff(failed, options.retryDelay, headers, options.settings.signal);
  }
}

async function check(
  part: string,
  { etag, size }: HubFile,
  signal: AbortSignal | undefined,
): Promise<string> {
  const received = await sizeOf(part);
  const actual =
    (await digestLike(etag, part, signal)) ??
    (size === null || received === size ? etag : `unknown (${received} bytes)`);
  if (actual !== etag) await rm(part, { force: true });
  return actual;
}

/** One try: asks for what is missing. Returns null when the part has its full size, else why it has not. */
async function fetchRest(
  part: string,
  file: HubFile,
  { settings, onProgress, refuse }: DownloadOptions,
): Promise<{ problem: string; headers?: Headers } | null> {
  let start = (await sizeOf(part)) ?? 0;
  if (file.size !== null && start > file.size) {
    await rm(part, { force: true });
    start = 0;
  }
  if (start > 0 && start === file.size) return null;
  const range: Record<string, string> = start > 0 ? { range: `bytes=${start}-` } : {};
  const reply = await hubRequest(settings, { method: 'GET', url: file.url, headers: range });
  if (reply.status === 206 && !isRangeFrom(reply.headers, start)) {
    await reply.discard();
    await rm(part, { force: true });
    return { problem: 'the server sent another range than was asked for' };
  }
  if (reply.status === 416) {
    await reply.discard();
    await rm(part, { force: true });
    return { problem: 'the server has no such range (416)' };
  }
  if (reply.status !== 200 && reply.status !== 206) {
    await reply.discard();
    if (isBusy(reply.status))
      return { problem: `the server answered ${reply.status}`, headers: reply.headers };
    throw refuse(reply, file.name);
  }
  if (reply.status === 200) start = 0;

  const total = file.size ?? totalOf(reply, start);
  const handle = await open(part, start === 0 ? 'w' : 'r+');
  let received = start;
  let isTooLong = false;
  try {
    onProgress({ file: file.name, received, total });
    for await (const chunk of reply.body) {
      isTooLong = received + chunk.byteLength > (total ?? LARGEST_UNTOLD);
      if (isTooLong) break;
      await handle.write(chunk, 0, chunk.byteLength, received);
      received += chunk.byteLength;
      onProgress({ file: file.name, received, total });
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (isTooLong) {
    await rm(part, { force: true });
    return {
      problem:
        total === null
          ? `the server did not say how long it is, and sent more than ${LARGEST_UNTOLD / 1e9} GB`
          : 'the server sent more than it said',
    };
  }
  return total !== null && received < total ? { problem: 'the connection was cut' } : null;
}

function isRangeFrom(headers: Headers, start: number): boolean {
  return new RegExp(`^bytes ${start}-`).test(headers.get('content-range') ?? '');
}

function totalOf({ headers }: HubReply, start: number): number | null {
  const length = Number(headers.get('content-length') ?? NaN);
  return Number.isSafeInteger(length) ? start + length : null;
}

async function checkSpace(part: string, { size, name }: HubFile): Promise<void> {
  if (size === null) return;
  const disk = await statfs(dirname(part)).catch(() => null);
  // Some network file systems do not say how large they are.
  if (!disk || disk.blocks === 0) return;
  const { bavail, bsize } = disk;
  const missing = size - ((await sizeOf(part)) ?? 0) - bavail * bsize;
  if (missing > 0)
    throw new AttnDiffError('hub-cache', {
      path: dirname(part),
      problem: `${name} needs ${missing} bytes more than the disk has left`,
    });
}

async function sizeOf(path: string): Promise<number | null> {
  return stat(path).then(
    ({ size }) => size,
    () => null,
  );
}

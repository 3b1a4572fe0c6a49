import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

/**
 * The digest of a file that the hub calls it by: the SHA-256 of an LFS file, git's SHA-1 of any other. It is taken of
 * what lies on the disk, not of what came over the wire.
 *
 * @param etag tells which of the two
 * @returns null where the etag is no digest of the content
 */
export async function digestLike(
  etag: string,
  path: string,
  signal?: AbortSignal,
): Promise<string | null> {
  if (/^[0-9a-f]{64}$/.test(etag)) return digest('sha256', '', path, signal);
  if (/^[0-9a-f]{40}$/.test(etag))
    return digest('sha1', `blob ${(await stat(path)).size}\0`, path, signal);
  return null;
}

async function digest(
  algorithm: string,
  prefix: string,
  path: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const hash = createHash(algorithm).update(prefix);
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20, signal }))
      hash.update(chunk as Buffer);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
  return hash.digest('hex');
}

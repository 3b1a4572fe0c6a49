import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { dirname, join } from 'node:path';
import { AttnDiffError } from '../errors.js';
import type { LoadedModel } from './load.js';

/**
 * SHA-256, in hexadecimal, of a model: of its ONNX file and, in the order of their names, of the files that hold its
 * external data, each as `name digest`. The same for copies of a model in other places.
 *
 * @throws AttnDiffError model-unreadable; the reason of `signal`, where that aborts
 */
export async function modelDigest(
  model: Pick<LoadedModel, 'source' | 'externalFiles'>,
  signal?: AbortSignal,
): Promise<string> {
  const known = digests.get(model) ?? digestOf(model, signal);
  digests.set(model, known);
  return known;
}

/** Gigabytes need not be read twice. */
const digests = new WeakMap<object, Promise<string>>();

async function digestOf(
  { source: { onnxPath }, externalFiles }: Pick<LoadedModel, 'source' | 'externalFiles'>,
  signal: AbortSignal | undefined,
): Promise<string> {
  const own = await fileDigest(onnxPath, signal);
  if (externalFiles.length === 0) return own;
  const all = createHash('sha256').update(own);
  for (const file of externalFiles.toSorted())
    all.update(`\n${file} ${await fileDigest(join(dirname(onnxPath), file), signal)}`);
  return all.digest('hex');
}

async function fileDigest(path: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20, signal }))
      hash.update(chunk as Buffer);
  } catch (error) {
    signal?.throwIfAborted();
    throw new AttnDiffError('model-unreadable', {
      path,
      problem: (error as NodeJS.ErrnoException).code ?? String(error),
    });
  }
  return hash.digest('hex');
}

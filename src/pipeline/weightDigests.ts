import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { toBinary } from '@bufbuild/protobuf';
import { TensorProtoSchema } from 'onnx-buf';
import { AttnDiffError } from '../errors.js';
import { externalData } from '../onnx/external.js';
import { byteLength } from '../onnx/tensor.js';
import type { TensorProto } from '../onnx/types.js';

/** Bytes read at the beginning, the middle and the end of a weight; only those alike there are read whole. */
const SAMPLE = 4096;
const CHUNK = 2 ** 20;

/** Some of a tensor's bytes, wherever it keeps them. */
interface Bytes {
  length: number;
  read(from: number, to: number): Promise<Uint8Array>;
}

/**
 * A digest of each tensor by its type, shape and bytes, such that equal tensors, and only those, have equal ones. Null
 * for a tensor whose samples hold one number throughout, or that is too small to tell from another.
 *
 * @param folder that external data is relative to
 * @throws AttnDiffError model-unreadable
 */
export async function weightDigests(
  tensors: ReadonlyMap<string, TensorProto>,
  folder: string,
): Promise<Map<string, string | null>> {
  const files = new Map<string, FileHandle>();
  try {
    const sampled = new Map<string, string | null>();
    const bytes = new Map<string, Bytes>();
    for (const [name, tensor] of tensors) {
      const own = await bytesOf(tensor, folder, files);
      bytes.set(name, own);
      sampled.set(name, await sampleDigest(tensor, own));
    }
    const digests = new Map<string, string | null>();
    for (const [name, digest] of sampled) {
      const isAlone = [...sampled.values()].filter((other) => other === digest).length === 1;
      digests.set(
        name,
        digest === null || isAlone ? digest : `${digest} ${await wholeDigest(bytes.get(name)!)}`,
      );
    }
    return digests;
  } finally {
    for (const file of files.values()) await file.close();
  }
}

async function bytesOf(
  tensor: TensorProto,
  folder: string,
  files: Map<string, FileHandle>,
): Promise<Bytes> {
  const external = externalData(tensor);
  if (!external) {
    const data =
      tensor.rawData.length > 0
        ? tensor.rawData
        : toBinary(TensorProtoSchema, { ...tensor, name: '' });
    return { length: data.length, read: async (from, to) => data.subarray(from, to) };
  }
  const path = join(folder, external.location);
  const file =
    files.get(path) ?? (await open(path).catch((error: unknown) => unreadable(path, error)));
  files.set(path, file);
  return {
    length: external.length ?? byteLength(tensor) ?? 0,
    read: async (from, to) =>
      (
        await file
          .read(Buffer.alloc(to - from), 0, to - from, external.offset + from)
          .catch((error: unknown) => unreadable(path, error))
      ).buffer,
  };
}

function unreadable(path: string, error: unknown): never {
  throw new AttnDiffError('model-unreadable', {
    path,
    problem: (error as NodeJS.ErrnoException).code ?? String(error),
  });
}

async function sampleDigest(
  { dims, dataType }: TensorProto,
  { length, read }: Bytes,
): Promise<string | null> {
  const starts = [0, Math.floor(length / 2 / 8) * 8, Math.max(0, length - SAMPLE)];
  const samples = await Promise.all(
    starts.map((from) => read(from, Math.min(length, from + SAMPLE))),
  );
  if (samples.every((sample) => repeats(sample, samples[0]!))) return null;
  const hash = createHash('sha256').update(`${dataType} ${dims.join('x')}`);
  for (const sample of samples) hash.update(sample);
  return hash.digest('hex');
}

/** Whether a sample is the first four bytes of another over and over: one float32 throughout, or two float16. */
function repeats(sample: Uint8Array, of: Uint8Array): boolean {
  return sample.every((byte, i) => byte === of[i % 4]);
}

async function wholeDigest({ length, read }: Bytes): Promise<string> {
  const hash = createHash('sha256');
  for (let from = 0; from < length; from += CHUNK)
    hash.update(await read(from, Math.min(length, from + CHUNK)));
  return hash.digest('hex');
}

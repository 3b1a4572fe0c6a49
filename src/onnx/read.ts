import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, StringStringEntryProtoSchema } from 'onnx-buf';
import { AttnDiffError } from '../errors.js';
import { scanModel, type Extent } from './scan.js';
import { DataLocation, type ModelProto, type TensorProto } from './types.js';

/** Protobuf's own limit for one message. */
const MAX_PROTOBUF_BYTES = 2 ** 31 - 1;

/** What decoding may come to; the largest decoders, mixtures of experts among them, have about 200,000 nodes. */
const LIMITS: readonly { part: keyof Extent; most: number }[] = [
  { part: 'depth', most: 64 },
  { part: 'nodes', most: 400_000 },
  { part: 'fields', most: 10_000_000 },
  { part: 'numbers', most: 50_000_000 },
];

/** Tensors from this size on stay in the file; smaller ones may be constants that recognition reads. */
const STAYS_IN_FILE = 64 * 1024;

/**
 * Reads and decodes an ONNX file. Weights stored inside it are turned into external data that lies in the file
 * itself, so that a rebuilt graph is small and its weights stay backed by the file. External data is not opened.
 *
 * @throws AttnDiffError model-not-found, model-unreadable, model-empty, model-not-onnx
 */
export async function readModel(path: string): Promise<ModelProto> {
  const bytes = await readBytes(path);
  const model = decodeModel(bytes, path);
  for (const tensor of model.graph!.initializer) leaveInFile(tensor, bytes, basename(path));
  return model;
}

function leaveInFile(tensor: TensorProto, file: Uint8Array, location: string): void {
  const { rawData } = tensor;
  if (rawData.byteLength < STAYS_IN_FILE || rawData.buffer !== file.buffer) return;
  const offset = rawData.byteOffset - file.byteOffset;
  const fields = { location, offset: String(offset), length: String(rawData.byteLength) };
  tensor.externalData = Object.entries(fields).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value }),
  );
  tensor.dataLocation = DataLocation.EXTERNAL;
  tensor.rawData = new Uint8Array();
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size === 0) throw new AttnDiffError('model-empty', { path });
    if (size > MAX_PROTOBUF_BYTES) {
      throw new AttnDiffError('model-not-onnx', {
        path,
        problem:
          'it is larger than 2 GB, the limit of one protobuf message; export with external data',
      });
    }
    return await readFile(path);
  } catch (error) {
    if (error instanceof AttnDiffError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new AttnDiffError('model-not-found', { path });
    throw new AttnDiffError('model-unreadable', { path, problem: code ?? message });
  }
}

/**
 * Decodes the bytes of an ONNX file.
 *
 * @param path only named in errors
 * @throws AttnDiffError model-not-onnx, model-too-large
 */
export function decodeModel(bytes: Uint8Array, path: string): ModelProto {
  const extent = scanModel(bytes);
  const tooMuch =
    extent === null ? undefined : LIMITS.find(({ part, most }) => extent[part] > most);
  if (tooMuch)
    throw new AttnDiffError('model-too-large', {
      path,
      part: tooMuch.part,
      found: extent![tooMuch.part],
      most: tooMuch.most,
    });
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch {
    throw new AttnDiffError('model-not-onnx', {
      path,
      problem: 'its bytes are not a whole ONNX protobuf: truncated, or another kind of file',
    });
  }
  if (!model.graph || model.graph.node.length === 0 || model.opsetImport.length === 0) {
    throw new AttnDiffError('model-not-onnx', {
      path,
      problem: 'it holds no graph: truncated, or another kind of file',
    });
  }
  return model;
}

/** Encodes a model; byte-identical to the file for an unchanged model. */
export function encodeModel(model: ModelProto): Uint8Array {
  return toBinary(ModelProtoSchema, model);
}

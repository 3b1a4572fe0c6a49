import { stat } from 'node:fs/promises';
import { isAbsolute, join, normalize, sep } from 'node:path';
import { AttnDiffError } from '../errors.js';
import { byteLength } from './tensor.js';
import { DataLocation, type GraphProto, type ModelProto, type TensorProto } from './types.js';
import { nestedGraphs } from './graph.js';

/** Where a tensor's bytes lie outside the model file. Offsets and lengths in bytes. */
export interface ExternalData {
  location: string;
  offset: number;
  length: number | null;
}

/**
 * The external_data fields of a tensor, as in the ONNX specification (docs/ExternalData.md).
 *
 * @throws AttnDiffError external-data-invalid
 */
export function externalData(tensor: TensorProto): ExternalData | null {
  if (tensor.dataLocation !== DataLocation.EXTERNAL) return null;
  const fields = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  const location = fields.get('location');
  if (!location)
    throw new AttnDiffError('external-data-invalid', {
      tensor: tensor.name,
      problem: 'it names no location',
    });
  const number = (key: string): number | null => {
    const text = fields.get(key);
    if (text === undefined) return null;
    const value = Number(text);
    if (text === '' || !Number.isSafeInteger(value) || value < 0) {
      throw new AttnDiffError('external-data-invalid', {
        tensor: tensor.name,
        problem: `its ${key} '${text}' is not a byte count`,
      });
    }
    return value;
  };
  return { location, offset: number('offset') ?? 0, length: number('length') };
}

/** The external files that a model names, relative to its own folder; nothing is looked for. */
export function externalLocations(model: ModelProto): string[] {
  const named = model.graph
    ? tensors(model.graph).map((tensor) => externalData(tensor)?.location)
    : [];
  return [...new Set(named)].filter((location) => location !== undefined);
}

/** All tensors of a model, those in nested graphs included. */
export function tensors(graph: GraphProto): TensorProto[] {
  return [
    ...graph.initializer,
    ...graph.node.flatMap((node) => [
      ...node.attribute.flatMap((item) => (item.t ? [item.t] : [])),
      ...nestedGraphs(node).flatMap(tensors),
    ]),
  ];
}

/**
 * Checks that every external tensor lies whole in a file of the model's folder, without reading any weight.
 * The location must not lead out of the folder by name; the file itself may be a link, as in the hub's cache.
 *
 * @returns the names of the data files, sorted
 * @throws AttnDiffError external-data-missing, external-data-short, external-data-outside, external-data-invalid
 */
export async function checkExternalData(model: ModelProto, folder: string): Promise<string[]> {
  const sizes = new Map<string, number>();
  for (const tensor of model.graph ? tensors(model.graph) : []) {
    const data = externalData(tensor);
    if (!data) continue;
    const path = resolveLocation(data.location, folder, tensor.name);
    let size = sizes.get(data.location);
    if (size === undefined) {
      size = await fileSize(path, tensor.name);
      sizes.set(data.location, size);
    }
    const expected = byteLength(tensor);
    if (expected !== null && data.length !== null && data.length < expected) {
      throw new AttnDiffError('external-data-invalid', {
        tensor: tensor.name,
        problem: `its length is ${data.length} bytes, its shape needs ${expected}`,
      });
    }
    const needed = data.offset + (data.length ?? expected ?? 0);
    if (needed > size)
      throw new AttnDiffError('external-data-short', { path, tensor: tensor.name, needed, size });
  }
  return [...sizes.keys()].sort();
}

function resolveLocation(location: string, folder: string, tensor: string): string {
  const relative = normalize(location);
  if (
    isAbsolute(location) ||
    /^[a-zA-Z]:/.test(location) ||
    relative === '..' ||
    relative.startsWith(`..${sep}`)
  ) {
    throw new AttnDiffError('external-data-outside', { location, tensor });
  }
  return join(folder, relative);
}

async function fileSize(path: string, tensor: string): Promise<number> {
  try {
    const entry = await stat(path);
    if (!entry.isFile()) throw new AttnDiffError('external-data-missing', { path, tensor });
    return entry.size;
  } catch {
    throw new AttnDiffError('external-data-missing', { path, tensor });
  }
}

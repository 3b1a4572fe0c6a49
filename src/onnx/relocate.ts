import { realpath } from 'node:fs/promises';
import { dirname, join, parse, relative, sep } from 'node:path';
import { externalData, externalLocations, tensors } from './external.js';
import type { ModelProto } from './types.js';

/**
 * Makes a model given as bytes find external data that are links out of its folder, as in the hub's cache: ONNX Runtime
 * refuses a file that really lies outside of the folder it is told. Where there is one, the locations in the model
 * become those of the real files, relative to the nearest folder that holds them all.
 *
 * @param model changed in place; its external data were checked
 * @returns the folder that the locations are now relative to: `folder` itself where nothing had to change
 */
export async function relocateExternalData(model: ModelProto, folder: string): Promise<string> {
  const root = await realpath(folder);
  const files = await Promise.all(
    externalLocations(model).map(
      async (location) => [location, await realpath(join(folder, location))] as const,
    ),
  );
  if (!model.graph || files.every(([, path]) => isWithin(path, root))) return folder;

  const common = files.reduce(
    (above, [, path]) => nearestAbove(above, path),
    dirname(files[0]![1]),
  );
  const locations = new Map(
    files.map(([location, path]) => [location, relative(common, path).split(sep).join('/')]),
  );
  for (const tensor of tensors(model.graph)) {
    if (!externalData(tensor)) continue;
    for (const field of tensor.externalData) {
      if (field.key === 'location') field.value = locations.get(field.value) ?? field.value;
    }
  }
  return common;
}

function nearestAbove(folder: string, path: string): string {
  let above = folder;
  while (!isWithin(path, above) && above !== parse(above).root) above = dirname(above);
  return above;
}

function isWithin(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`);
}

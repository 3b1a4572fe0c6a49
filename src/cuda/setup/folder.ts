import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { SetupOrigin } from '../../setupTypes.js';
import { PROVIDER_LIBRARIES } from '../providerFiles.js';
import {
  CORE_LIBRARY,
  providersOf,
  sourceError,
  type LibrarySource,
  type SourceFile,
} from './source.js';

/** Where the libraries lie in a folder of packages, or in an unpacked wheel. */
const PACKAGE = join('onnxruntime', 'capi');

/**
 * Opens a folder that holds the libraries of onnxruntime-gpu, itself or in `onnxruntime/capi`.
 *
 * @param needed the version that is needed, for what an error says
 * @throws AttnDiffError setup-source
 */
export function openFolder(origin: SetupOrigin, needed: string): LibrarySource {
  const { path } = origin;
  const [cuda] = PROVIDER_LIBRARIES.toReversed();
  const inner = join(path, PACKAGE);
  const folder = !existsSync(join(path, cuda!)) && existsSync(inner) ? inner : path;
  const names = guarded(path, () => readdirSync(folder));
  if (!names.includes(cuda!) && names.some((name) => name.startsWith('onnxruntime_pybind11'))) {
    throw sourceError(path, { kind: 'no-provider', distribution: 'onnxruntime', needed });
  }
  const fileOf = (name: string): SourceFile => {
    if (!names.includes(name)) throw sourceError(path, { kind: 'missing', name, needed });
    const file = join(folder, name);
    const stats = guarded(file, () => statSync(file));
    if (!stats.isFile()) throw sourceError(path, { kind: 'not-library', name });
    const open: SourceFile['open'] = () => Promise.resolve(createReadStream(file));
    return { name, bytes: stats.size, path: file, crc32: null, open };
  };
  const providers = providersOf(fileOf);
  const core = names.find((name) => CORE_LIBRARY.test(name));
  return {
    origin,
    version: CORE_LIBRARY.exec(core ?? '')?.[1] ?? null,
    core: fileOf(core ?? names.find(isUnversioned) ?? `libonnxruntime.so.${needed}`),
    providers,
    close: () => undefined,
  };
}

function isUnversioned(name: string): boolean {
  return /^libonnxruntime\.so(\.\d+)?$/.test(name);
}

function guarded<T>(path: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw sourceError(path, { kind: 'unreadable', problem: code ?? message });
  }
}

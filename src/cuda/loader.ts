import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { programOutput } from '../programOutput.js';

/** Linux's loader, as far as it finds libraries. */
export interface Loader {
  /**
   * Where it finds a library; null where it does not.
   *
   * @param name as it is needed, such as `libcublas.so.13`
   * @param added folders at the end of LD_LIBRARY_PATH that it does not have yet
   * @param own folders that the library which needs it names
   */
  find(name: string, added?: readonly string[], own?: readonly string[]): string | null;
}

/** Where the loader looks when its cache has nothing, or where there is no cache. */
const LIBRARY_FOLDERS = ['/lib64', '/usr/lib64', '/lib', '/usr/lib'];
/** In which of their folders Debian and its kin put the libraries of a processor. */
const TRIPLETS: Readonly<Record<string, string>> = {
  x64: 'x86_64-linux-gnu',
  arm64: 'aarch64-linux-gnu',
};

/** How `ldconfig -p` marks the libraries of a processor; those of others are listed with them. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'x86-64', arm64: 'AArch64' };

/** The loader's cache, read once in a process. */
let cacheRead: Promise<Map<string, string>> | undefined;

async function readCache(): Promise<Map<string, string>> {
  return parseLdconfig((await programOutput('ldconfig', ['-p'])) ?? '', process.arch);
}

/**
 * The loader of this system: LD_LIBRARY_PATH first, then the folders that a library names, then the
 * loader's cache, then the system's folders.
 *
 * @returns one that finds nothing where the system is not Linux
 */
export async function systemLoader(): Promise<Loader> {
  if (process.platform !== 'linux') return { find: () => null };
  const cache = await (cacheRead ??= readCache());
  return {
    find: (name, added = [], own = []) => {
      const cached = cache.get(name);
      return (
        inFolders([...pathsOf('LD_LIBRARY_PATH'), ...added, ...own], name) ??
        (cached !== undefined && existsSync(cached) ? cached : null) ??
        inFolders(systemFolders(), name)
      );
    },
  };
}

function systemFolders(): string[] {
  const triplet = TRIPLETS[process.arch];
  const own = triplet === undefined ? [] : [`/lib/${triplet}`, `/usr/lib/${triplet}`];
  return [...own, ...LIBRARY_FOLDERS];
}

/** The file of this name in the first folder that has one; null where none has. */
function inFolders(folders: readonly string[], name: string): string | null {
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}

/** The paths in an environment variable, in their order. */
export function pathsOf(variable: string): string[] {
  return (process.env[variable] ?? '').split(':').filter((path) => path !== '');
}

/**
 * The loader's cache, as `ldconfig -p` prints it: where each library of this architecture lies, the
 * first where there are several.
 */
export function parseLdconfig(text: string, arch: string): Map<string, string> {
  const paths = new Map<string, string>();
  const mark = ARCHITECTURES[arch];
  for (const line of text.split('\n')) {
    const [, name, kinds, path] = /^\s+(\S+) \(([^)]*)\) => (\/.*?)\s*$/.exec(line) ?? [];
    if (name === undefined || kinds === undefined || path === undefined || paths.has(name))
      continue;
    if (mark === undefined || kinds.split(',').some((kind) => kind.trim() === mark)) {
      paths.set(name, path);
    }
  }
  return paths;
}

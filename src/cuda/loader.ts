import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { programOutput } from '../programOutput.js';

/** Where the loader finds a library by its name; null where it does not. */
export type FindLibrary = (name: string) => string | null;

/** Where the loader looks when its cache has nothing, or where there is no cache. */
const LIBRARY_FOLDERS = ['/lib64', '/usr/lib64', '/lib', '/usr/lib'];

/** How `ldconfig -p` marks the libraries of a processor; those of others are listed with them. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'x86-64', arm64: 'AArch64' };

/**
 * Searches as Linux's loader does: LD_LIBRARY_PATH first, then the loader's cache, then the
 * system's folders.
 *
 * @param added folders that stand at the end of LD_LIBRARY_PATH, besides those that it has
 * @returns a function that finds nothing on other systems
 */
export async function libraryFinder(): Promise<(added: readonly string[]) => FindLibrary> {
  if (process.platform !== 'linux') return () => () => null;
  const cache = parseLdconfig((await programOutput('ldconfig', ['-p'])) ?? '', process.arch);
  const inFolders = (folders: readonly string[], name: string): string | null =>
    folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
  return (added) => (name) => {
    const cached = cache.get(name);
    return (
      inFolders([...pathsOf('LD_LIBRARY_PATH'), ...added], name) ??
      (cached !== undefined && existsSync(cached) ? cached : null) ??
      inFolders(LIBRARY_FOLDERS, name)
    );
  };
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
    if (name === undefined || kinds === undefined || path === undefined || paths.has(name)) continue;
    if (mark === undefined || kinds.split(',').some((kind) => kind.trim() === mark)) {
      paths.set(name, path);
    }
  }
  return paths;
}

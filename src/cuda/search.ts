import { basename, dirname } from 'node:path';
import { cudaMajorOf } from './cudaMajor.js';
import type { ElfResult } from './elf.js';
import type { Loader } from './loader.js';

/** A library that another needs, and where it is. */
export interface NeededLibrary {
  /** As it is needed: `libcublas.so.13`. */
  name: string;
  /** Where the loader will find it; null where it will not. */
  path: string | null;
  /** What led to it: `loader`, or the variable, folder or interpreter of its {@link LibraryPlace}. */
  origin: string | null;
  /** File name of the library that needs it. */
  neededBy: string;
  /** Whether the provider cannot be opened without it; else some of its kernels cannot. */
  isRequired: boolean;
}

/** A folder that may hold NVIDIA's libraries. */
export interface LibraryPlace {
  folder: string;
  /** Folders of one origin belong together: libraries of one installation. */
  origin: string;
}

export interface LibrarySearch {
  libraries: NeededLibrary[];
  /** Folders that LD_LIBRARY_PATH must have in addition; empty where the loader finds all itself. */
  added: string[];
  /** Major version of CUDA that the provider was built for; null where it does not say. */
  cudaVersion: number | null;
}

/** What the search asks of the machine. */
export interface SearchedMachine {
  loader: Loader;
  /** In order of preference. */
  places: readonly LibraryPlace[];
  has(folder: string, name: string): boolean;
  read(path: string): ElfResult;
}

const NVIDIA = /^lib(cu|nv)/;
/** Comes with the driver, never with CUDA's libraries: of it the loader's word is the only right one. */
const DRIVER_LIBRARY = 'libcuda.so.1';

/**
 * What the CUDA provider opens when a kernel first needs it, by the CUDA version. It builds the
 * names from pieces, so that they stand nowhere in its file.
 */
const OPENED_LATER: Readonly<Record<number, readonly string[]>> = {
  12: ['libcudnn.so.9', 'libcufft.so.11', 'libnvrtc.so.12'],
  13: ['libcudnn.so.9', 'libcufft.so.12', 'libnvrtc.so.13'],
};

/**
 * Finds the libraries that a provider needs, those that these need, and so on, and the folders that
 * LD_LIBRARY_PATH lacks for it. Where several installations have what the loader does not find, the
 * one that has most of it is taken, so that libraries of different installations are not mixed
 * without need.
 *
 * @param roots files of the provider, the one that says its CUDA version among them
 * @returns the libraries of NVIDIA, and others only where they are missing
 */
export function searchLibraries(roots: readonly string[], machine: SearchedMachine): LibrarySearch {
  const cudaVersion = cudaMajorOf(roots.flatMap((root) => neededOf(root, machine).needed));
  const later = OPENED_LATER[cudaVersion ?? 0] ?? [];
  const added: LibraryPlace[] = [];
  for (;;) {
    const libraries = resolve(roots, later, added, machine);
    const missing = libraries.filter(({ name, path }) => path === null && isCuda(name));
    const untried = machine.places.filter((place) => !added.includes(place));
    const places = bestPlaces(
      missing.map(({ name }) => name),
      { ...machine, places: untried },
    );
    if (places.length === 0) {
      return { libraries, added: added.map(({ folder }) => folder), cudaVersion };
    }
    added.push(...places);
  }
}

function isCuda(name: string): boolean {
  return NVIDIA.test(name) && name !== DRIVER_LIBRARY;
}

function neededOf(path: string, { read }: SearchedMachine): { needed: string[]; own: string[] } {
  const result = read(path);
  if ('problem' in result) return { needed: [], own: [] };
  const { needed, searchPaths } = result.library;
  const origin = dirname(path);
  const own = searchPaths.map((each) => each.replaceAll(/\$(ORIGIN|\{ORIGIN\})/g, () => origin));
  return { needed, own };
}

/** Breadth first, as the loader goes, and each name once, since it opens none twice. */
function resolve(
  roots: readonly string[],
  later: readonly string[],
  added: readonly LibraryPlace[],
  machine: SearchedMachine,
): NeededLibrary[] {
  const known = new Map<string, NeededLibrary>();
  const folders = added.map(({ folder }) => folder);
  const queue = roots.map((path) => ({ path, isRequired: true }));
  const meet = (name: string, by: string, own: readonly string[], isRequired: boolean): void => {
    if (known.has(name)) return;
    const path = machine.loader.find(name, folders, own);
    known.set(name, {
      name,
      path,
      origin: originOf(path, added),
      neededBy: basename(by),
      isRequired,
    });
    if (path !== null && NVIDIA.test(name)) queue.push({ path, isRequired });
  };
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { needed, own } = neededOf(next.path, machine);
    for (const name of needed) meet(name, next.path, own, next.isRequired);
    // After all that is required, so that what both need counts as required.
    if (queue.length === 0) for (const name of later) meet(name, roots.at(-1)!, [], false);
  }
  return [...known.values()].filter(({ name, path }) => path === null || NVIDIA.test(name));
}

function originOf(path: string | null, added: readonly LibraryPlace[]): string | null {
  if (path === null) return null;
  return added.find(({ folder }) => folder === dirname(path))?.origin ?? 'loader';
}

/** Of the origin that has most of these names, the folders that have any; the first one of equals. */
function bestPlaces(names: readonly string[], { places, has }: SearchedMachine): LibraryPlace[] {
  const having = places.filter(({ folder }) => names.some((name) => has(folder, name)));
  const count = (origin: string): number =>
    names.filter((name) =>
      having.some((place) => place.origin === origin && has(place.folder, name)),
    ).length;
  const origins = [...new Set(having.map(({ origin }) => origin))];
  const best = origins.toSorted((a, b) => count(b) - count(a))[0];
  return having.filter(({ origin }) => origin === best);
}

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { entriesIn } from '../files/entries.js';
import { bindingFolder } from '../runners/providers.js';
import { readElf } from './elf.js';
import { systemLoader } from './loader.js';
import { NVIDIA_PROVIDERS, PROVIDER_FILES, type NvidiaProvider } from './providerFiles.js';
import { findPythons } from './python.js';
import { searchLibraries, type LibraryPlace, type LibrarySearch } from './search.js';

/** Folders of libraries in an installation of CUDA. */
const CUDA_FOLDERS = ['lib64', 'targets/x86_64-linux/lib', 'lib'];
const SYSTEM = '/usr/local';

const searches = new Map<NvidiaProvider, Promise<LibrarySearch>>();

/**
 * What the provider's libraries need on this machine, and where that lies. Searched once in a
 * process.
 *
 * @returns an empty search where the provider's own libraries are not installed, or can never be
 */
export async function findLibraries(provider: NvidiaProvider): Promise<LibrarySearch> {
  const known = searches.get(provider) ?? search(provider);
  searches.set(provider, known);
  return known;
}

/** Whether a provider runs on NVIDIA's libraries, on a platform that has it. */
export function isNvidia(provider: string): provider is NvidiaProvider {
  const hasProvider = process.platform === 'linux' && process.arch === 'x64';
  return hasProvider && NVIDIA_PROVIDERS.some((name) => name === provider);
}

/**
 * The environment variables by which a process finds the libraries of its provider.
 *
 * @returns LD_LIBRARY_PATH with the folders that it lacks at its end; nothing where it lacks none
 */
export async function libraryEnvironment(
  provider: string,
  environment: NodeJS.ProcessEnv,
): Promise<Readonly<Record<string, string>>> {
  if (!isNvidia(provider)) return {};
  const { added } = await findLibraries(provider);
  if (added.length === 0) return {};
  const own = environment['LD_LIBRARY_PATH'];
  return { LD_LIBRARY_PATH: [...(own ? [own] : []), ...added].join(':') };
}

async function search(provider: NvidiaProvider): Promise<LibrarySearch> {
  const roots = PROVIDER_FILES[provider]
    .map((name) => join(bindingFolder(), name))
    .filter((path) => existsSync(path));
  if (roots.length === 0) return { libraries: [], added: [], cudaVersion: null };
  const [loader, { sites }] = await Promise.all([systemLoader(), findPythons()]);
  return searchLibraries(roots, {
    loader,
    places: [
      ...namedInstallations(),
      ...sites.flatMap(({ folder, origin }) => pythonPlaces(folder, origin)),
      ...systemInstallations(),
    ],
    has: (folder, name) => existsSync(join(folder, name)),
    read: readElf,
  });
}

function namedInstallations(): LibraryPlace[] {
  return ['CUDA_HOME', 'CUDA_PATH', 'CONDA_PREFIX'].flatMap((origin) => {
    const root = process.env[origin];
    return root ? CUDA_FOLDERS.map((folder) => ({ folder: join(root, folder), origin })) : [];
  });
}

/** NVIDIA's wheels have a folder for each library, or since CUDA 13 one for most; torch has its own. */
function pythonPlaces(site: string, interpreter: string): LibraryPlace[] {
  const wheels = entriesIn(join(site, 'nvidia')).map((name) => join(site, 'nvidia', name, 'lib'));
  const folders = [...wheels, join(site, 'torch', 'lib'), join(site, 'tensorrt_libs')];
  return folders.map((folder) => ({ folder, origin: `${interpreter}: ${site}` }));
}

function systemInstallations(): LibraryPlace[] {
  return entriesIn(SYSTEM)
    .filter((name) => /^cuda(-\d+(\.\d+)?)?$/.test(name))
    .flatMap((name) => {
      const root = join(SYSTEM, name);
      return CUDA_FOLDERS.map((folder) => ({ folder: join(root, folder), origin: root }));
    });
}

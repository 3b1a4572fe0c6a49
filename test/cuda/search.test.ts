import { describe, expect, it } from 'vitest';
import { searchLibraries, type LibraryPlace, type LibrarySearch } from '../../src/cuda/search.js';

const PROVIDER = '/node/libonnxruntime_providers_cuda.so';
const NEEDS = ['libcublas.so.13', 'libcudart.so.13', 'libcuda.so.1', 'libc.so.6'];

interface Machine {
  /** Files by their paths, with what each needs. */
  files?: Record<string, readonly string[]>;
  /** Folders of the loader, in its order. */
  loader?: readonly string[];
  places?: readonly LibraryPlace[];
  needs?: readonly string[];
  searchPaths?: Record<string, readonly string[]>;
}

function search({
  files = {},
  loader = [],
  places = [],
  needs = NEEDS,
  searchPaths = {},
}: Machine): LibrarySearch {
  const all: Record<string, readonly string[]> = {
    [PROVIDER]: needs,
    '/lib/libc.so.6': [],
    ...files,
  };
  const has = (folder: string, name: string): boolean => `${folder}/${name}` in all;
  return searchLibraries([PROVIDER], {
    places,
    has,
    loader: {
      find: (name, added = [], own = []) => {
        const folder = [...added, ...own, ...loader, '/lib'].find((each) => has(each, name));
        return folder === undefined ? null : `${folder}/${name}`;
      },
    },
    read: (path) => {
      const needed = all[path];
      if (needed === undefined) return { problem: 'unreadable' };
      const own = [...(searchPaths[path] ?? [])];
      return { library: { machine: 'x64', soname: null, needed: [...needed], searchPaths: own } };
    },
  });
}

const cuda13 = (folder: string): Record<string, readonly string[]> => ({
  [`${folder}/libcublas.so.13`]: ['libcublasLt.so.13'],
  [`${folder}/libcublasLt.so.13`]: [],
  [`${folder}/libcudart.so.13`]: [],
});

const found = ({ libraries }: LibrarySearch): Record<string, string | null> =>
  Object.fromEntries(libraries.map(({ name, path }) => [name, path]));

describe('searching the libraries of the CUDA provider', () => {
  it('leaves LD_LIBRARY_PATH alone where the loader finds all that is required', () => {
    const result = search({
      files: { ...cuda13('/cuda'), '/drv/libcuda.so.1': [] },
      loader: ['/cuda', '/drv'],
    });
    expect(result.added).toEqual([]);
    expect(result.cudaVersion).toBe(13);
    expect(result.libraries.filter(({ isRequired }) => isRequired)).toEqual([
      {
        name: 'libcublas.so.13',
        path: '/cuda/libcublas.so.13',
        origin: 'loader',
        neededBy: 'libonnxruntime_providers_cuda.so',
        isRequired: true,
      },
      {
        name: 'libcudart.so.13',
        path: '/cuda/libcudart.so.13',
        origin: 'loader',
        neededBy: 'libonnxruntime_providers_cuda.so',
        isRequired: true,
      },
      {
        name: 'libcuda.so.1',
        path: '/drv/libcuda.so.1',
        origin: 'loader',
        neededBy: 'libonnxruntime_providers_cuda.so',
        isRequired: true,
      },
      {
        name: 'libcublasLt.so.13',
        path: '/cuda/libcublasLt.so.13',
        origin: 'loader',
        neededBy: 'libcublas.so.13',
        isRequired: true,
      },
    ]);
  });

  it('adds the folders of wheels, both where each library has one and where most share one', () => {
    const split = {
      '/s/nvidia/cublas/lib/libcublas.so.12': [],
      '/s/nvidia/cuda_runtime/lib/libcudart.so.12': [],
      '/s/nvidia/cudnn/lib/libcudnn.so.9': [],
    };
    const folders = [
      '/s/nvidia/cublas/lib',
      '/s/nvidia/cuda_runtime/lib',
      '/s/nvidia/cudnn/lib',
      '/s/nvidia/nccl/lib',
    ];
    const places = folders.map((folder) => ({ folder, origin: 'python3: /s' }));
    const result = search({ files: split, places, needs: ['libcublas.so.12', 'libcudart.so.12'] });
    expect(result.added).toEqual(folders.slice(0, 3));
    expect(result.cudaVersion).toBe(12);
    expect(result.libraries.find(({ name }) => name === 'libcudnn.so.9')).toMatchObject({
      origin: 'python3: /s',
      isRequired: false,
    });
  });

  it('takes all from the installation that has most, not some from each', () => {
    const files = { '/a/libcudart.so.13': [], ...cuda13('/b') };
    const places = [
      { folder: '/a', origin: 'CUDA_HOME' },
      { folder: '/b', origin: 'python3: /b' },
    ];
    expect(search({ files, places })).toMatchObject({ added: ['/b'] });
    // Of two that have as much, the first.
    expect(search({ files: { ...cuda13('/a'), ...cuda13('/b') }, places })).toMatchObject({
      added: ['/a'],
    });
  });

  it('completes one installation from another where it must', () => {
    const files = { ...cuda13('/a'), '/b/libcudnn.so.9': [], '/b/libcudart.so.13': [] };
    const places = [
      { folder: '/a', origin: 'CUDA_HOME' },
      { folder: '/b', origin: 'python3: /b' },
    ];
    const result = search({ files, places });
    expect(result.added).toEqual(['/a', '/b']);
    expect(found(result)).toMatchObject({
      'libcudart.so.13': '/a/libcudart.so.13',
      'libcudnn.so.9': '/b/libcudnn.so.9',
    });
  });

  it('finds in other folders what the folder added for another library holds too, as the loader will', () => {
    const files = { ...cuda13('/b'), '/sys/libcudart.so.13': [] };
    const result = search({ files, loader: ['/sys'], places: [{ folder: '/b', origin: 'x' }] });
    expect(found(result)['libcudart.so.13']).toBe('/b/libcudart.so.13');
  });

  it("follows a library's own search path", () => {
    const files = {
      '/a/libcublas.so.13': ['libcublasLt.so.13'],
      '/a/sub/libcublasLt.so.13': [],
      '/a/libcudart.so.13': [],
    };
    const searchPaths = { '/a/libcublas.so.13': ['$ORIGIN/sub'] };
    expect(search({ files, loader: ['/a'], searchPaths })).toMatchObject({ added: [] });
    expect(found(search({ files, loader: ['/a'], searchPaths }))['libcublasLt.so.13']).toBe(
      '/a/sub/libcublasLt.so.13',
    );
  });

  it('names what is nowhere, by whom it is needed, and takes no other version for it', () => {
    const result = search({
      files: { '/a/libcublas.so.12': [], '/a/libcudart.so.13': [] },
      places: [{ folder: '/a', origin: 'x' }],
    });
    expect(
      result.libraries
        .filter(({ path, isRequired }) => path === null && isRequired)
        .map(({ name }) => name),
    ).toEqual(['libcublas.so.13', 'libcuda.so.1']);
  });

  it("takes the driver's library from the loader only, never from a folder of stubs", () => {
    const files = { ...cuda13('/cuda'), '/cuda/libcuda.so.1': [] };
    const result = search({
      files: { ...cuda13('/c'), ...files },
      loader: ['/c'],
      places: [{ folder: '/cuda', origin: 'CUDA_HOME' }],
    });
    expect(found(result)['libcuda.so.1']).toBeNull();
    expect(result.added).toEqual([]);
  });

  it('names a missing library of the system, and none that is there', () => {
    const result = search({ needs: ['libc.so.6', 'libstdc++.so.6'] });
    expect(found(result)).toEqual({ 'libstdc++.so.6': null });
    expect(result.cudaVersion).toBeNull();
  });
});

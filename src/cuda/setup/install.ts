import { join } from 'node:path';
import { AttnDiffError } from '../../errors.js';
import { openScratch } from '../../files/scratch.js';
import type { ProviderLibraries, SetupOutcome, SourceFault } from '../../setupTypes.js';
import { readElf } from '../elf.js';
import { PROVIDER_LIBRARIES } from '../providerFiles.js';
import { commitIn } from './buildInfo.js';
import type { Cleanups } from './cleanups.js';
import { crcOf } from './crc.js';
import {
  commitFault,
  cudaMajor,
  isDriverTooOld,
  libraryFault,
  versionFault,
  type LibraryFacts,
  type Runtime,
} from './judge.js';
import {
  presentIn,
  putInPlace,
  requireSpace,
  stage,
  type Disk,
  type Stage,
  type Staged,
} from './place.js';
import { isIn, recordFile, type SetupRecord } from './record.js';
import { sourceError, type LibrarySource, type SourceFile } from './source.js';

interface Installation {
  folder: string;
  disk: Disk;
  undo: Cleanups;
  isDryRun: boolean;
  driverCuda(): Promise<string | null>;
}

/**
 * Puts the libraries of a source in place where they fit onnxruntime-node's.
 *
 * @throws AttnDiffError setup-source, setup-driver, setup-folder, temporary-folder
 */
export async function install(
  source: LibrarySource,
  runtime: Runtime,
  installation: Installation,
): Promise<SetupOutcome> {
  const { folder, isDryRun } = installation;
  const { origin, version } = source;
  const files = PROVIDER_LIBRARIES.map((name) => source.providers[name]);
  refuse(origin.path, versionFault(version, runtime));
  const commit = await commitOf(source, runtime);
  const sums = await sumsOf(files, origin.path);
  if ((await Promise.all(sums.map((file) => isIn(folder, file)))).every(Boolean)) {
    const cuda = cudaMajor(factsOf(PROVIDER_LIBRARIES[1], join(folder, PROVIDER_LIBRARIES[1])));
    return { kind: 'same', commit, cuda, folder };
  }
  return withStage(source, installation, async (where) => {
    const { cuda, staged } = await examine(source, files, where);
    const driverCuda = await installation.driverCuda();
    if (isDriverTooOld(cuda, driverCuda)) {
      const needs = cuda!;
      throw new AttnDiffError('setup-driver', { path: origin.path, needs, supports: driverCuda! });
    }
    const isReplacing = presentIn(folder, PROVIDER_LIBRARIES).length > 0;
    if (!isDryRun) {
      const record: Omit<SetupRecord, 'schema'> = { version, commit, cuda, files: sums };
      putInPlace(folder, [...staged, await stage(recordFile(record), origin.path, where)]);
    }
    const sizes = files.map(({ name, bytes }) => ({ name, bytes }));
    const libraries: ProviderLibraries = { origin, version, commit, cuda, files: sizes };
    return { kind: 'placed', isDryRun, libraries, folder, isReplacing, driverCuda };
  });
}

/** @throws AttnDiffError setup-source */
async function commitOf({ core, origin }: LibrarySource, runtime: Runtime): Promise<string> {
  const commit = await guarded(origin.path, core, async () => commitIn(await core.open()));
  refuse(origin.path, commitFault(commit, core.name, runtime));
  return commit!;
}

async function sumsOf(
  files: readonly SourceFile[],
  path: string,
): Promise<{ name: string; bytes: number; crc32: number }[]> {
  const sums = [];
  for (const file of files) {
    const read = async (): Promise<number> => crcOf(await file.open());
    const crc32 = file.crc32 ?? (await guarded(path, file, read));
    sums.push({ name: file.name, bytes: file.bytes, crc32 });
  }
  return sums;
}

/** Files of an archive can be looked into only where they have been written to. */
async function withStage<T>(
  source: LibrarySource,
  { folder, disk, undo, isDryRun }: Installation,
  work: (where: Stage & { isDryRun: boolean }) => Promise<T>,
): Promise<T> {
  if (!isDryRun) return work({ folder, isScratch: false, disk, undo, isDryRun });
  const needsRoom = PROVIDER_LIBRARIES.some((name) => source.providers[name].path === null);
  if (!needsRoom) return work({ folder, isScratch: true, disk, undo, isDryRun });
  const scratch = openScratch();
  const forget = undo.add(() => scratch.remove());
  try {
    return await work({ folder: scratch.path, isScratch: true, disk, undo, isDryRun });
  } finally {
    forget();
    scratch.remove();
  }
}

/** Looks at each library, the small one first, and writes those that are to be written. */
async function examine(
  source: LibrarySource,
  files: readonly SourceFile[],
  where: Stage & { isDryRun: boolean },
): Promise<{ cuda: number | null; staged: Staged[] }> {
  const { path } = source.origin;
  const isWritten = (file: SourceFile): boolean => !where.isDryRun || file.path === null;
  for (const file of files) if (file.path !== null) judged(file.name, file.path, path);
  const written = files.filter(isWritten);
  if (written.length > 0)
    requireSpace(
      where,
      written.reduce((sum, { bytes }) => sum + bytes, 0),
    );
  const staged: Staged[] = [];
  let cuda: number | null = null;
  for (const file of files) {
    const copy = isWritten(file) ? await stage(file, path, where) : null;
    if (copy !== null) staged.push(copy);
    cuda = cudaMajor(judged(file.name, copy?.path ?? file.path!, path)) ?? cuda;
  }
  return { cuda, staged };
}

function judged(name: string, file: string, path: string): LibraryFacts {
  const facts = factsOf(name, file);
  refuse(path, libraryFault(facts));
  return facts;
}

function factsOf(name: string, path: string): LibraryFacts {
  return { name, ...readElf(path) };
}

function refuse(path: string, fault: SourceFault | null): void {
  if (fault !== null) throw sourceError(path, fault);
}

async function guarded<T>(path: string, file: SourceFile, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw sourceError(path, { kind: 'damaged', problem: `${file.name}: ${code ?? message}` });
  }
}

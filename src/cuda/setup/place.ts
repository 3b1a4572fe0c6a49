import {
  accessSync,
  constants,
  createWriteStream,
  existsSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AttnDiffError } from '../../errors.js';
import { temporaryError } from '../../files/scratch.js';
import { clearStale, temporaryBeside } from '../../files/temporary.js';
import type { SizedFile } from '../../setupTypes.js';
import type { Cleanups } from './cleanups.js';
import { sourceError, type SourceFile } from './source.js';

/** How files are written; a test has disks that are full. */
export interface Disk {
  createWriteStream(path: string): Writable;
  /** Bytes that may still be written in a folder. */
  freeBytes(folder: string): number;
}

export const DISK: Disk = {
  // Opened at once: a file that is opened later could come to be after what removes it on Ctrl-C.
  createWriteStream: (path) => createWriteStream(path, { fd: openSync(path, 'wx', 0o644) }),
  freeBytes: (folder) => {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  },
};

/** A file under a temporary name, whole. */
export interface Staged {
  name: string;
  path: string;
  /** It stays, or has gone. */
  release(): void;
}

/**
 * Makes sure that a folder can be written, before anything is read for it.
 *
 * @param isDryRun whether nothing may be tried
 * @throws AttnDiffError setup-folder
 */
export function requireWritable(folder: string, isDryRun: boolean): void {
  guarded(folder, () => {
    accessSync(folder, constants.W_OK | constants.X_OK);
    if (isDryRun) return;
    clearStale(folder);
    const probe = temporaryBeside(join(folder, 'probe'));
    writeFileSync(probe, '', { flag: 'wx' });
    rmSync(probe);
  });
}

/**
 * Refuses what cannot fit before it is written.
 *
 * @throws AttnDiffError setup-folder, temporary-folder
 */
export function requireSpace({ folder, isScratch, disk }: Stage, bytes: number): void {
  if (guarded(folder, () => disk.freeBytes(folder)) >= bytes) return;
  const full = Object.assign(new Error('no room'), { code: 'ENOSPC' });
  throw isScratch ? temporaryError(full) : folderError(folder, full);
}

/** Where a file of a source is written to. */
export interface Stage {
  folder: string;
  /** Whether the folder is for temporary files, and not what is set up. */
  isScratch: boolean;
  disk: Disk;
  undo: Cleanups;
}

/**
 * Writes a file of a source into a folder, under a temporary name.
 *
 * @param source what an error of reading names
 * @throws AttnDiffError setup-source, setup-folder, temporary-folder
 */
export async function stage(
  file: SourceFile,
  source: string,
  { folder, isScratch, disk, undo }: Stage,
): Promise<Staged> {
  const path = temporaryBeside(join(folder, file.name));
  const release = undo.add(() => rmSync(path, { force: true }));
  let readProblem: string | null = null;
  async function* read(): AsyncGenerator<Buffer> {
    try {
      yield* (await file.open()) as AsyncIterable<Buffer>;
    } catch (error) {
      readProblem = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
      throw error;
    }
  }
  try {
    await pipeline(read, disk.createWriteStream(path));
  } catch (error) {
    if (readProblem === null) throw isScratch ? temporaryError(error) : folderError(folder, error);
    throw sourceError(source, { kind: 'damaged', problem: `${file.name}: ${readProblem}` });
  }
  return { name: file.name, path, release };
}

/**
 * Gives staged files their names: all of them or none.
 *
 * @throws AttnDiffError setup-folder
 */
export function putInPlace(folder: string, staged: readonly Staged[]): void {
  const undo: (() => void)[] = [];
  const kept: string[] = [];
  try {
    for (const { name, path } of staged) {
      const target = join(folder, name);
      if (existsSync(target)) {
        const old = temporaryBeside(target);
        renameSync(target, old);
        kept.push(old);
        undo.push(() => renameSync(old, target));
      }
      renameSync(path, target);
      undo.push(() => renameSync(target, path));
    }
  } catch (error) {
    for (const step of undo.toReversed()) step();
    throw folderError(folder, error);
  }
  for (const old of kept) rmSync(old, { recursive: true, force: true });
  for (const { release } of staged) release();
}

/** Which of some files a folder has. */
export function presentIn(folder: string, names: readonly string[]): SizedFile[] {
  return names.flatMap((name) => {
    const stats = lstatSync(join(folder, name), { throwIfNoEntry: false });
    return stats === undefined ? [] : [{ name, bytes: stats.size }];
  });
}

/** @throws AttnDiffError setup-folder */
export function removeFrom(folder: string, names: readonly string[]): void {
  guarded(folder, () => names.forEach((name) => rmSync(join(folder, name))));
}

function guarded<T>(folder: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw folderError(folder, error);
  }
}

function folderError(path: string, error: unknown): AttnDiffError<'setup-folder'> {
  const { code, message } = error as NodeJS.ErrnoException;
  return new AttnDiffError('setup-folder', { path, problem: code ?? message });
}

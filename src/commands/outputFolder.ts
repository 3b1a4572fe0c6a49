import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AttnDiffError } from '../errors.js';

/** A folder that a result goes to: whole, or not at all. */
export interface OutputFolder {
  write(files: readonly { name: string; content: string | Uint8Array }[]): void;
  /** Removes whatever was begun. */
  discard(): void;
}

/**
 * Opens the folder that files go to, before the expensive part. They are written beside its final name, which they
 * get when all are there.
 *
 * @param path null for none; a folder that is there already must be empty
 * @throws AttnDiffError folder-not-writable
 */
export function openOutputFolder(path: string | null): OutputFolder {
  if (path === null) return { write: () => undefined, discard: () => undefined };
  const guard = <T>(step: () => T): T => {
    try {
      return step();
    } catch (error) {
      throw new AttnDiffError('folder-not-writable', { path, problem: (error as NodeJS.ErrnoException).code ?? String(error) });
    }
  };
  const isThere = existsSync(path);
  if (isThere && !statSync(path).isDirectory()) throw new AttnDiffError('folder-not-writable', { path, problem: 'ENOTDIR' });
  if (isThere && guard(() => readdirSync(path)).length > 0) throw new AttnDiffError('folder-not-writable', { path, problem: 'the folder is not empty' });
  const temporary = `${path.replace(/[/\\]+$/, '')}.${process.pid}.tmp`;
  guard(() => mkdirSync(temporary));
  return {
    discard: () => rmSync(temporary, { recursive: true, force: true }),
    write: (files) =>
      guard(() => {
        for (const { name, content } of files) writeFileSync(join(temporary, name), content);
        if (isThere) rmdirSync(path);
        renameSync(temporary, path);
      }),
  };
}

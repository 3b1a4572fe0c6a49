import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { AttnDiffError } from '../errors.js';
import { clearStale, temporaryBeside } from '../files/temporary.js';

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
      throw new AttnDiffError('folder-not-writable', {
        path,
        problem: (error as NodeJS.ErrnoException).code ?? String(error),
      });
    }
  };
  const isThere = existsSync(path);
  if (isThere && !statSync(path).isDirectory())
    throw new AttnDiffError('folder-not-writable', { path, problem: 'ENOTDIR' });
  if (isThere && guard(() => readdirSync(path)).length > 0)
    throw new AttnDiffError('folder-not-writable', { path, problem: 'the folder is not empty' });
  // Without what a path may end in: the folder is made beside its final name.
  const target = resolve(path);
  clearStale(dirname(target));
  let temporary: string | null = null;
  const discard = (): void => {
    if (temporary !== null) rmSync(temporary, { recursive: true, force: true });
    temporary = null;
  };
  const make = (): string => {
    const made = temporaryBeside(target);
    mkdirSync(made);
    return (temporary = made);
  };
  guard(make);
  discard();
  return {
    discard,
    write: (files) =>
      guard(() => {
        const made = make();
        for (const { name, content } of files) writeFileSync(join(made, name), content);
        if (isThere) rmdirSync(target);
        renameSync(made, target);
        temporary = null;
      }),
  };
}

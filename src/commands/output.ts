import {
  accessSync,
  constants,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
  type Stats,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { AttnDiffError } from '../errors.js';
import { clearStale, temporaryBeside, writeWhole } from '../files/temporary.js';

/** Where a command's result goes. */
export interface Output {
  /** The one path, of all that lead there, that stands for the file; null where two results may share a place. */
  place: string | null;
  write(text: string): void;
  /** Removes whatever was begun; nothing half-written stays behind. */
  discard(): void;
}

/**
 * Opens the place that a result goes to before the expensive part, so that a bad path fails at once. A file is
 * written beside its final name and renamed when it is whole; a device or a pipe is written to as it is. Until then
 * nothing lies there that a killed process could leave behind.
 *
 * @param path null for standard output
 * @throws AttnDiffError output-not-writable
 */
export function openOutput(path: string | null): Output {
  if (path === null)
    return {
      place: null,
      write: (text) => void process.stdout.write(text),
      discard: () => undefined,
    };
  const guard = <T>(step: () => T): T => {
    try {
      return step();
    } catch (error) {
      throw new AttnDiffError('output-not-writable', {
        path,
        problem: (error as NodeJS.ErrnoException).code ?? String(error),
      });
    }
  };
  const existing = guard(() => checkExisting(path));
  if (existing && !existing.isFile())
    return {
      place: null,
      write: (text) => guard(() => writeFileSync(path, text)),
      discard: () => undefined,
    };

  const target = guard(() =>
    existing ? realpathSync(path) : join(realpathSync(dirname(path)), basename(path)),
  );
  clearStale(dirname(target));
  guard(() => tryWriting(target));
  return {
    place: target,
    discard: () => undefined,
    write: (text) => guard(() => writeWhole(target, text, existing?.mode)),
  };
}

function tryWriting(target: string): void {
  const temporary = temporaryBeside(target);
  writeFileSync(temporary, '', { flag: 'wx' });
  rmSync(temporary, { force: true });
}

/** What is at the path already; null where there is nothing. */
function checkExisting(path: string): Stats | null {
  const existing = statSync(path, { throwIfNoEntry: false }) ?? null;
  if (existing?.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
  if (existing) accessSync(path, constants.W_OK);
  return existing;
}

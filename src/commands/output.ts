import { accessSync, closeSync, constants, openSync, realpathSync, renameSync, rmSync, statSync, writeFileSync, type Stats } from 'node:fs';
import { AttnDiffError } from '../errors.js';

/** Where a command's result goes. */
export interface Output {
  write(text: string): void;
  /** Removes whatever was begun; nothing half-written stays behind. */
  discard(): void;
}

/**
 * Opens the place that a result goes to before the expensive part, so that a bad path fails at once. A file is
 * written beside its final name and renamed when it is whole; a device or a pipe is written to as it is.
 *
 * @param path null for standard output
 * @throws AttnDiffError output-not-writable
 */
export function openOutput(path: string | null): Output {
  if (path === null) return { write: (text) => void process.stdout.write(text), discard: () => undefined };
  const guard = <T>(step: () => T): T => {
    try {
      return step();
    } catch (error) {
      throw new AttnDiffError('output-not-writable', { path, problem: (error as NodeJS.ErrnoException).code ?? String(error) });
    }
  };
  const existing = guard(() => checkExisting(path));
  if (existing && !existing.isFile()) return { write: (text) => guard(() => writeFileSync(path, text)), discard: () => undefined };

  const target = existing ? guard(() => realpathSync(path)) : path;
  const temporary = `${target}.${process.pid}.tmp`;
  guard(() => closeSync(openSync(temporary, 'wx', existing?.mode)));
  const discard = (): void => rmSync(temporary, { force: true });
  return {
    discard,
    write: (text) =>
      guard(() => {
        writeFileSync(temporary, text);
        renameSync(temporary, target);
      }),
  };
}

/** What is at the path already; null where there is nothing. */
function checkExisting(path: string): Stats | null {
  const existing = statSync(path, { throwIfNoEntry: false }) ?? null;
  if (existing?.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
  if (existing) accessSync(path, constants.W_OK);
  return existing;
}

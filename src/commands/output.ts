import { closeSync, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { AttnDiffError } from '../errors.js';

/** Where a command's result goes. */
export interface Output {
  write(text: string): void;
  /** Removes whatever was begun; nothing half-written stays behind. */
  discard(): void;
}

/**
 * Opens the place that a result goes to before the expensive part, so that a bad path fails at once. A file is
 * written beside its final name and renamed when it is whole.
 *
 * @param path null for standard output
 * @throws AttnDiffError output-not-writable
 */
export function openOutput(path: string | null): Output {
  if (path === null) return { write: (text) => void process.stdout.write(text), discard: () => undefined };
  const temporary = `${path}.${process.pid}.tmp`;
  const problem = (error: unknown): AttnDiffError => new AttnDiffError('output-not-writable', { path, problem: (error as NodeJS.ErrnoException).code ?? String(error) });
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
    closeSync(openSync(temporary, 'wx'));
  } catch (error) {
    throw problem(error);
  }
  const discard = (): void => rmSync(temporary, { force: true });
  return {
    discard,
    write: (text) => {
      try {
        writeFileSync(temporary, text);
        renameSync(temporary, path);
      } catch (error) {
        discard();
        throw problem(error);
      }
    },
  };
}

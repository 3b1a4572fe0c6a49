import {
  accessSync,
  appendFileSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import { AttnDiffError } from '../errors.js';
import type { Output } from './output.js';

/**
 * Opens a file that is appended to, before the expensive part, so that a bad path fails at once. What is written is
 * one call of the system in append mode, so that lines of several processes do not mix; the file is opened anew for
 * it, so that it is there whatever became of it meanwhile.
 *
 * @throws AttnDiffError output-not-writable
 */
export function openAppended(path: string): Output {
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
  const isNew = guard(() => {
    const existing = statSync(path, { throwIfNoEntry: false });
    if (existing?.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
    if (existing) accessSync(path, constants.W_OK);
    else closeSync(openSync(path, 'a'));
    return !existing;
  });
  return {
    place: guard(() => realpathSync(path)),
    write: (text) => guard(() => appendFileSync(path, `${isCutOff(path) ? '\n' : ''}${text}`)),
    // One that another process has begun to write meanwhile is no longer empty.
    discard: () => {
      if (isNew && statSync(path, { throwIfNoEntry: false })?.size === 0)
        rmSync(path, { force: true });
    },
  };
}

/**
 * Whether the last line was not written to its end, so that what follows would be taken for a part of it. One that
 * another process is just writing looks so too: then an empty line comes between the two.
 */
function isCutOff(path: string): boolean {
  const file = openSync(path, 'a+');
  try {
    const stats = fstatSync(file);
    if (!stats.isFile() || stats.size === 0) return false;
    const last = Buffer.alloc(1);
    readSync(file, last, 0, 1, stats.size - 1);
    return last[0] !== 0x0a;
  } finally {
    closeSync(file);
  }
}

import { readFile } from 'node:fs/promises';
import { AttnDiffError } from '../errors.js';

/**
 * Reads a file that an option names.
 *
 * @throws AttnDiffError of the code given
 */
export async function readBytes(
  path: string,
  code: 'prompts-unreadable' | 'mask-unreadable',
): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const { code: reason, message } = error as NodeJS.ErrnoException;
    throw new AttnDiffError(code, { path, problem: reason ?? message });
  }
}

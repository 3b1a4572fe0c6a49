import { readFileSync } from 'node:fs';
import type { AttnDiffError } from '../errors.js';

/**
 * Reads a text file that an option names.
 *
 * @param refused the error for what the system says, such as ENOENT
 * @throws AttnDiffError what `refused` makes
 */
export function readTextFile(path: string, refused: (problem: string) => AttnDiffError): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw refused((error as NodeJS.ErrnoException).code ?? String(error));
  }
}

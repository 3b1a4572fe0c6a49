import { randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Written in seconds and renamed; what is older was left by a process that was killed. */
const STALE_AFTER = 3_600_000;
const NAME = /^\.attn-diff-[0-9a-f]{16}\.tmp$/;

/** A name in the folder of a path that nothing else has: what is written there and renamed was whole, or never there. */
export function temporaryBeside(path: string): string {
  return join(dirname(path), `.attn-diff-${randomBytes(8).toString('hex')}.tmp`);
}

/** Removes what killed processes have left of {@link temporaryBeside}, as far as the system lets this one. */
export function clearStale(folder: string, now: number = Date.now()): void {
  for (const name of attempt(() => readdirSync(folder)) ?? []) {
    if (!NAME.test(name)) continue;
    const path = join(folder, name);
    attempt(() => {
      if (now - lstatSync(path).mtimeMs > STALE_AFTER)
        rmSync(path, { recursive: true, force: true });
    });
  }
}

/**
 * Writes a file whole or not at all.
 *
 * @param mode permissions of the file
 * @throws Error of the system
 */
export function writeWhole(path: string, content: string | Uint8Array, mode?: number): void {
  const temporary = temporaryBeside(path);
  try {
    writeFileSync(temporary, content, { flag: 'wx', ...(mode !== undefined && { mode }) });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function attempt<T>(step: () => T): T | undefined {
  try {
    return step();
  } catch {
    return undefined;
  }
}

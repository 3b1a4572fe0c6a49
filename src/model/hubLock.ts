import { rmSync } from 'node:fs';
import { open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasEnded, ownOwner, readOwner } from '../files/owner.js';

/** A holder shows by the lock's time of change that it lives. */
const HEARTBEAT = 5_000;
const STALE_AFTER = 60_000;
const POLL = 100;

/**
 * Runs `work` while no other process does so for the same path, so that two do not fetch one file twice. The lock of
 * a process that has died is taken over. It only saves work: whoever writes the same bytes to the same places
 * does no harm.
 *
 * @param path the lock file; its folder exists
 */
export async function withHubLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  while (!(await take(path))) {
    if (await isStale(path)) await rm(path, { force: true });
    else await sleep(POLL);
  }
  const beat = setInterval(
    () => void utimes(path, new Date(), new Date()).catch(() => undefined),
    HEARTBEAT,
  ).unref();
  const free = (): void => rmSync(path, { force: true });
  process.once('exit', free);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    process.off('exit', free);
    free();
  }
}

async function take(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(JSON.stringify(ownOwner()));
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function isStale(path: string): Promise<boolean> {
  try {
    const [entry, text] = await Promise.all([stat(path), readFile(path, 'utf8')]);
    const owner = readOwner(text);
    return Date.now() - entry.mtimeMs > STALE_AFTER || (owner !== null && hasEnded(owner) === true);
  } catch {
    return false;
  }
}

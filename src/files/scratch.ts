import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
  type Stats,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AttnDiffError } from '../errors.js';
import { hasEnded, ownOwner, readOwner } from './owner.js';

/** A folder of this process alone, below TMPDIR. */
export interface Scratch {
  path: string;
  /** Removes it with all that is in it. */
  remove(): void;
}

const PREFIX = 'attn-diff-';
/** As mkdtemp ends a name. */
const NAME = /^attn-diff-[A-Za-z0-9]{6}$/;
const OWNER = 'owner.json';
/** An owner that cannot be asked shows so often that it lives. */
const SIGN_OF_LIFE = 3_600_000;
const STALE_AFTER = 24 * SIGN_OF_LIFE;

/**
 * Makes a folder for what is written while models run.
 *
 * @throws AttnDiffError temporary-folder
 */
export function openScratch(): Scratch {
  const parent = tmpdir();
  let path: string | undefined;
  try {
    path = mkdtempSync(join(parent, PREFIX));
    writeFileSync(join(path, OWNER), JSON.stringify(ownOwner()));
  } catch (error) {
    if (path !== undefined) rmSync(path, { recursive: true, force: true });
    throw temporaryError(error, parent);
  }
  const made = path;
  const beat = setInterval(() => touch(made), SIGN_OF_LIFE).unref();
  return {
    path: made,
    remove: () => {
      clearInterval(beat);
      rmSync(made, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** That temporary files could not be written, or read again. */
export function temporaryError(
  error: unknown,
  path: string = tmpdir(),
): AttnDiffError<'temporary-folder'> {
  const problem = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  return new AttnDiffError('temporary-folder', {
    path,
    variable: process.platform === 'win32' ? 'TEMP' : 'TMPDIR',
    problem,
  });
}

/** Removes the folders that killed processes of this user have left; those of living ones stay, and so does what is in doubt. */
export function clearStaleScratch(parent: string = tmpdir(), now: number = Date.now()): void {
  for (const name of orNothing(() => readdirSync(parent)) ?? []) {
    if (!NAME.test(name)) continue;
    const path = join(parent, name);
    const stats = orNothing(() => lstatSync(path));
    if (
      stats?.isDirectory() &&
      stats.uid === (process.getuid?.() ?? stats.uid) &&
      isAbandoned(path, stats, now)
    )
      orNothing(() => rmSync(path, { recursive: true, force: true }));
  }
}

function isAbandoned(path: string, { mtimeMs }: Stats, now: number): boolean {
  const owner = readOwner(orNothing(() => readFileSync(join(path, OWNER), 'utf8')) ?? '');
  if (owner === null) return false;
  return hasEnded(owner) ?? now - mtimeMs > STALE_AFTER;
}

function touch(path: string): void {
  const now = new Date();
  orNothing(() => utimesSync(path, now, now));
}

function orNothing<T>(step: () => T): T | undefined {
  try {
    return step();
  } catch {
    return undefined;
  }
}

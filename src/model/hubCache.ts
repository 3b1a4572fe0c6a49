import {
  copyFile,
  link,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { AttnDiffError } from '../errors.js';
import { clearStale, temporaryBeside } from '../files/temporary.js';

/**
 * One model's folder in the cache, laid out as Python's huggingface_hub has it, so that either finds what the other
 * brought: `blobs/<etag>`, `refs/<revision>` with a commit in it, and `snapshots/<commit>/<file>` linking to a blob.
 */
export class HubCache {
  readonly folder: string;

  constructor(
    cache: string,
    repo: string,
    private readonly symlinks: boolean,
  ) {
    this.folder = join(cache, `models--${repo.replace('/', '--')}`);
  }

  snapshot(commit: string): string {
    return join(this.folder, 'snapshots', commit);
  }

  blob(etag: string): string {
    return join(this.folder, 'blobs', etag);
  }

  /** The commit that a revision was last seen at; null where it never was. A commit is its own. */
  async commitOf(revision: string): Promise<string | null> {
    if (isCommit(revision)) return revision;
    const text = await readFile(join(this.folder, 'refs', revision), 'utf8').catch(() => '');
    return isCommit(text.trim()) ? text.trim() : null;
  }

  /** The files of a snapshot, as paths with `/` below it; a link to nothing is no file. */
  async files(commit: string): Promise<string[]> {
    const root = this.snapshot(commit);
    const entries = await readdir(root, { recursive: true }).catch(() => []);
    const files = entries.map((entry) => entry.replaceAll('\\', '/')).sort();
    const there = await Promise.all(files.map((file) => this.find(commit, file)));
    return files.filter((_, i) => there[i] !== null);
  }

  /** The path of a file of a snapshot; null where it is not there. */
  async find(commit: string, file: string): Promise<string | null> {
    const path = join(this.snapshot(commit), file);
    const entry = await stat(path).catch(() => null);
    return entry?.isFile() ? path : null;
  }

  /** Remembers what a revision stands for. A cache that cannot be written is still good for reading. */
  async setRef(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.commitOf(revision)) === commit) return;
    const path = join(this.folder, 'refs', revision);
    await attempt(path, async () => {
      await mkdir(dirname(path), { recursive: true });
      await replace(path, (temporary) => writeFile(temporary, commit));
    });
  }

  /**
   * Puts a blob into a snapshot: as a relative link, else as a second name of the same file, else as a copy.
   *
   * @throws AttnDiffError hub-cache
   */
  async addToSnapshot(commit: string, file: string, blob: string): Promise<string> {
    const path = join(this.snapshot(commit), file);
    await attempt(path, async () => {
      await mkdir(dirname(path), { recursive: true });
      await replace(path, async (temporary) => {
        const target = relative(dirname(path), blob);
        const linked = this.symlinks && (await symlink(target, temporary, 'file').then(yes, no));
        if (linked || (await link(blob, temporary).then(yes, no))) return;
        await copyFile(blob, temporary);
      });
    });
    return path;
  }
}

const yes = (): boolean => true;
const no = (): boolean => false;

export function isCommit(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}

/**
 * Runs a step that writes into the cache.
 *
 * @throws AttnDiffError hub-cache where the file system refuses it
 */
export async function attempt<T>(path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code === undefined || syscall === undefined) throw error;
    throw new AttnDiffError('hub-cache', { path, problem: code });
  }
}

/** Makes a file beside its final name and renames it, so that nobody sees half of it. */
async function replace(path: string, make: (temporary: string) => Promise<unknown>): Promise<void> {
  clearStale(dirname(path));
  const temporary = temporaryBeside(path);
  try {
    await make(temporary);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

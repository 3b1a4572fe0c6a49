import { AttnDiffError, type ErrorArgs } from '../errors.js';
import { clearStaleScratch } from '../files/scratch.js';
import type { Runners } from '../runners/types.js';
import { downloadBar, type DownloadBar } from './downloadBar.js';
import type { Host } from './host.js';
import { openAppended } from './historyFile.js';
import { onEnd } from './interrupt.js';
import { openOutput, type Output } from './output.js';
import { openOutputFolder, type OutputFolder } from './outputFolder.js';
import { progressBar, type ProgressBar } from './progress.js';

/** A file that is written whole, one that is appended to, or null for standard output. */
export type OutputPath = string | { appended: string } | null;

/** What a command holds while it works. */
export interface Resources {
  /** One for each path, in their order. */
  outputs: Output[];
  /** Where a reproduction goes. */
  folder: OutputFolder;
  runners: Runners;
  progress: ProgressBar;
  /** Shows the download of a model. */
  download: DownloadBar;
  /** Aborts when the work has ended, however: what still reads or downloads then has nobody to do it for. */
  signal: AbortSignal;
  /** Says what is kept if the work is interrupted from here on. */
  keep(kept: ErrorArgs['interrupted']['kept']): void;
}

/**
 * Opens what a command needs, and clears it away however the work ends: well, with an error, or by Ctrl-C.
 *
 * @param folderPath the folder that several files go to; null for none
 * @throws AttnDiffError output-not-writable, folder-not-writable, before anything else is done
 */
export async function withResources<T>(
  host: Host,
  outputPaths: readonly OutputPath[],
  work: (resources: Resources) => Promise<T>,
  folderPath: string | null = null,
): Promise<T> {
  const outputs: Output[] = [];
  const discard = (): void => outputs.forEach((output) => output.discard());
  const folder = opened(() => {
    for (const path of outputPaths) outputs.push(openedOnce(path, outputs));
    return openOutputFolder(folderPath);
  }, discard);
  clearStaleScratch();
  const runners = host.runners();
  const progress = progressBar();
  const download = downloadBar();
  const ended = new AbortController();
  const clear = (): void => {
    ended.abort(new AttnDiffError('interrupted', { kept: null }));
    runners.stop();
    download.stop();
    progress.stop();
    discard();
    folder.discard();
  };
  let kept: ErrorArgs['interrupted']['kept'] = null;
  const release = onEnd(clear, () => kept);
  try {
    return await work({
      outputs,
      folder,
      runners,
      progress,
      download: { ...download, signal: ended.signal },
      signal: ended.signal,
      keep: (what) => (kept = what),
    });
  } finally {
    clear();
    release();
  }
}

/** @throws AttnDiffError output-not-writable, also where another result goes to the same file by another path */
function openedOnce(path: OutputPath, others: readonly Output[]): Output {
  const isAppended = path !== null && typeof path === 'object';
  const output = isAppended ? openAppended(path.appended) : openOutput(path);
  if (output.place === null || !others.some(({ place }) => place === output.place)) return output;
  output.discard();
  throw new AttnDiffError('output-not-writable', {
    path: isAppended ? path.appended : path!,
    problem: 'EEXIST',
  });
}

/** Where one of several places cannot be opened, those that were begun are taken back. */
function opened<T>(open: () => T, discard: () => void): T {
  try {
    return open();
  } catch (error) {
    discard();
    throw error;
  }
}

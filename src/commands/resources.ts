import type { ErrorArgs } from '../errors.js';
import type { Runners } from '../runners/types.js';
import { downloadBar, type DownloadBar } from './downloadBar.js';
import type { Host } from './host.js';
import { openAppended } from './historyFile.js';
import { onInterrupt } from './interrupt.js';
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
  /** Says what is kept if the work is interrupted from here on. */
  keep(kept: ErrorArgs['interrupted']['kept']): void;
}

/**
 * Opens what a command needs, and clears it away however the work ends: well, with an error, or by Ctrl-C.
 *
 * @param folderPath the folder that several files go to; null for none
 * @throws AttnDiffError output-not-writable, folder-not-writable, before anything else is done
 */
export async function withResources<T>(host: Host, outputPaths: readonly OutputPath[], work: (resources: Resources) => Promise<T>, folderPath: string | null = null): Promise<T> {
  const outputs: Output[] = [];
  const discard = (): void => outputs.forEach((output) => output.discard());
  const folder = opened(() => {
    for (const path of outputPaths) outputs.push(path !== null && typeof path === 'object' ? openAppended(path.appended) : openOutput(path));
    return openOutputFolder(folderPath);
  }, discard);
  const runners = host.runners();
  const progress = progressBar();
  const download = downloadBar();
  const clear = (): void => {
    download.stop();
    progress.stop();
    runners.stop();
    discard();
    folder.discard();
  };
  let kept: ErrorArgs['interrupted']['kept'] = null;
  const release = onInterrupt(clear, () => kept);
  try {
    return await work({ outputs, folder, runners, progress, download, keep: (what) => (kept = what) });
  } finally {
    clear();
    release();
  }
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

import type { ErrorArgs } from '../errors.js';
import type { Runners } from '../runners/types.js';
import { childRunners } from '../runners/childProcess.js';
import { downloadBar, type DownloadBar } from './downloadBar.js';
import { onInterrupt } from './interrupt.js';
import { openOutput, type Output } from './output.js';
import { openOutputFolder, type OutputFolder } from './outputFolder.js';
import { progressBar, type ProgressBar } from './progress.js';

/** What a command holds while it works. */
export interface Resources {
  output: Output;
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
 * @param outputPath null for standard output
 * @param folderPath the folder that several files go to; null for none
 * @throws AttnDiffError output-not-writable, folder-not-writable, before anything else is done
 */
export async function withResources<T>(outputPath: string | null, work: (resources: Resources) => Promise<T>, folderPath: string | null = null): Promise<T> {
  const output = openOutput(outputPath);
  const folder = openedAfter(output, folderPath);
  const runners = childRunners();
  const progress = progressBar();
  const download = downloadBar();
  const clear = (): void => {
    download.stop();
    progress.stop();
    runners.stop();
    output.discard();
    folder.discard();
  };
  let kept: ErrorArgs['interrupted']['kept'] = null;
  const release = onInterrupt(clear, () => kept);
  try {
    return await work({ output, folder, runners, progress, download, keep: (what) => (kept = what) });
  } finally {
    clear();
    release();
  }
}

/** Where the folder cannot be opened, the output that was begun is taken back. */
function openedAfter(output: Output, path: string | null): OutputFolder {
  try {
    return openOutputFolder(path);
  } catch (error) {
    output.discard();
    throw error;
  }
}

import type { ErrorArgs } from '../errors.js';
import type { Runners } from '../runners/types.js';
import { childRunners } from '../runners/childProcess.js';
import { downloadBar, type DownloadBar } from './downloadBar.js';
import { onInterrupt } from './interrupt.js';
import { openOutput, type Output } from './output.js';
import { progressBar, type ProgressBar } from './progress.js';

/** What a command holds while it works. */
export interface Resources {
  output: Output;
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
 * @throws AttnDiffError output-not-writable, before anything else is done
 */
export async function withResources<T>(outputPath: string | null, work: (resources: Resources) => Promise<T>): Promise<T> {
  const output = openOutput(outputPath);
  const runners = childRunners();
  const progress = progressBar();
  const download = downloadBar();
  const clear = (): void => {
    download.stop();
    progress.stop();
    runners.stop();
    output.discard();
  };
  let kept: ErrorArgs['interrupted']['kept'] = null;
  const release = onInterrupt(clear, () => kept);
  try {
    return await work({ output, runners, progress, download, keep: (what) => (kept = what) });
  } finally {
    clear();
    release();
  }
}

import cliProgress from 'cli-progress';
import type { Progress } from '../pipeline/run.js';

export interface ProgressBar {
  update(progress: Progress): void;
  stop(): void;
}

/** Shows progress on stderr where that is a terminal; silent elsewhere. */
export function progressBar(): ProgressBar {
  if (!process.stderr.isTTY) return { update: () => undefined, stop: () => undefined };
  const bar = new cliProgress.SingleBar({
    stream: process.stderr,
    format: '{bar} {value}/{total} {stage} ({duration}s)',
    barsize: 20,
    clearOnComplete: true,
    hideCursor: true,
    etaBuffer: 1,
  }, cliProgress.Presets.shades_classic);
  let tick: NodeJS.Timeout | undefined;
  return {
    update: ({ stage, done, total }) => {
      if (!tick) {
        bar.start(total, 0, { stage });
        tick = setInterval(() => bar.updateETA(), 1000);
      }
      bar.update(done, { stage });
    },
    stop: () => {
      clearInterval(tick);
      bar.stop();
    },
  };
}

import cliProgress from 'cli-progress';
import type { Progress } from '../pipeline/run.js';
import { drawsProgress } from './ci.js';

export interface ProgressBar {
  update(progress: Progress): void;
  stop(): void;
}

/** Steps whose mean duration tells the time left. */
const REMEMBERED = 10;

/** Shows progress on stderr where that is a terminal of no CI server; silent elsewhere. */
export function progressBar(): ProgressBar {
  if (!drawsProgress(process.stderr.isTTY, process.env))
    return { update: () => undefined, stop: () => undefined };
  const bar = new cliProgress.SingleBar(
    {
      stream: process.stderr,
      format: '{bar} {value}/{total} {stage} ({duration_formatted}{left})',
      barsize: 20,
      clearOnComplete: true,
      hideCursor: true,
    },
    cliProgress.Presets.shades_classic,
  );
  let tick: NodeJS.Timeout | undefined;
  const left = timeLeft();
  return {
    update: ({ stage, done, total }) => {
      if (!tick) {
        bar.start(total, 0, { stage, left: '' });
        tick = setInterval(() => bar.updateETA(), 1000);
      }
      bar.update(done, { stage, left: left(done, total) });
    },
    stop: () => {
      clearInterval(tick);
      bar.stop();
    },
  };
}

/**
 * Words for the time left, from the mean duration of the last steps; none before two are done.
 *
 * @param now milliseconds
 */
export function timeLeft(
  now: () => number = () => performance.now(),
): (done: number, total: number) => string {
  const steps: { at: number; done: number }[] = [];
  return (done, total) => {
    steps.push({ at: now(), done });
    if (steps.length > REMEMBERED) steps.shift();
    const [first, last] = [steps[0]!, steps.at(-1)!];
    if (last.done - first.done < 2 || done >= total) return '';
    const seconds = Math.ceil(
      (((last.at - first.at) / (last.done - first.done)) * (total - done)) / 1000,
    );
    return `, about ${seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${String(seconds % 60).padStart(2, '0')}s`} left`;
  };
}

import cliProgress from 'cli-progress';
import type { HubOptions, HubProgress } from '../model/index.js';
import { printable } from '../report/text/width.js';
import { drawsProgress } from './ci.js';
import { say } from './say.js';

export interface DownloadBar extends HubOptions {
  onProgress(progress: HubProgress): void;
  onNotice(text: string): void;
  stop(): void;
}

/** Time in milliseconds that a rate is taken over. */
const RATE_WINDOW = 3_000;
const SAMPLE_INTERVAL = 100;
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Shows each file that is downloaded on stderr where that is a terminal of no CI server: bytes, rate, time left. Notices go there anyway. */
export function downloadBar(): DownloadBar {
  const bar = drawsProgress(process.stderr.isTTY, process.env)
    ? terminalBar()
    : { onProgress: () => undefined, stop: () => undefined };
  return {
    ...bar,
    onNotice: (text) => {
      bar.stop();
      say(text);
    },
  };
}

function terminalBar(): Pick<DownloadBar, 'onProgress' | 'stop'> {
  let bar: cliProgress.SingleBar | undefined;
  let current = '';
  let samples: { time: number; received: number }[] = [];
  const stop = (): void => {
    bar?.stop();
    bar = undefined;
    current = '';
  };
  return {
    stop,
    onProgress: ({ file, received, total }) => {
      if (file !== current) {
        stop();
        current = file;
        samples = [];
        bar = new cliProgress.SingleBar(
          {
            stream: process.stderr,
            format: '{bar} {bytes} {rate} {left} {file}',
            barsize: 20,
            clearOnComplete: true,
            hideCursor: true,
          },
          cliProgress.Presets.shades_classic,
        );
        bar.start(total ?? 0, received, { file: printable(file), bytes: '', rate: '', left: '' });
      }
      const now = performance.now();
      // Chunks come by the thousand.
      if (received !== total && now - (samples.at(-1)?.time ?? -Infinity) < SAMPLE_INTERVAL) return;
      samples = [
        ...samples.filter(({ time }) => now - time < RATE_WINDOW),
        { time: now, received },
      ];
      bar?.update(received, progressTexts(samples, total));
      if (received === total) stop();
    },
  };
}

/**
 * What a bar says beside itself.
 *
 * @param samples the last few, oldest first, `time` in milliseconds
 */
export function progressTexts(
  samples: readonly { time: number; received: number }[],
  total: number | null,
): { bytes: string; rate: string; left: string } {
  const [first, last] = [samples[0], samples.at(-1)];
  const received = last?.received ?? 0;
  const seconds = first && last ? (last.time - first.time) / 1000 : 0;
  const rate = first && seconds > 0 ? (received - first.received) / seconds : 0;
  return {
    bytes: total === null ? byteText(received) : `${byteText(received)} of ${byteText(total)}`,
    rate: rate > 0 ? `${byteText(rate)}/s` : '',
    left: rate > 0 && total !== null ? `${durationText((total - received) / rate)} left` : '',
  };
}

function byteText(bytes: number): string {
  const unit = Math.min(
    UNITS.length - 1,
    Math.max(0, Math.floor(Math.log10(Math.max(bytes, 1)) / 3)),
  );
  const value = bytes / 1000 ** unit;
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

function durationText(seconds: number): string {
  const whole = Math.ceil(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] === 0 ? parts.slice(1) : parts;
  return shown.map((part, i) => (i === 0 ? String(part) : String(part).padStart(2, '0'))).join(':');
}

import type { ParseOptions } from './config/run.js';
import { parseTypedOptions } from './config/typedOptions.js';
import type { DiffOptions } from './diffOptions.js';
import { AttnDiffError } from './errors.js';
import { heldAgainst } from './gate/index.js';
import type { HubOptions } from './model/index.js';
import { loadConfigFile } from './pipeline/configFile.js';
import { openRun } from './pipeline/openRun.js';
import { runDiff } from './pipeline/run.js';
import { openBaseline } from './pipeline/savedFile.js';
import { childRunners } from './runners/childProcess.js';
import { INTERRUPTIONS } from './runners/protocol.js';
import type { DiffReport } from './types.js';

/**
 * Runs the same padded batches through several implementations of attention and compares them layer by layer: what
 * `attn-diff run` does, with the same checks and the same report. Nothing is printed or written. A gate that fails is
 * no error: see `verdict` in the report.
 *
 * Models run in processes of their own, which are gone when the promise settles, and also when this process ends
 * before that.
 *
 * @throws AttnDiffError what the command would end with as exit code 2, 3 or 4; the reason of `signal` where that aborts
 */
export async function diffAttention(options: DiffOptions): Promise<DiffReport> {
  const {
    explain = false,
    onProgress = () => undefined,
    onNotice = () => undefined,
    signal,
  } = options;
  const config = parseTypedOptions(options, fromFile(options.config));
  signal?.throwIfAborted();
  const baseline = config.baseline && openBaseline(config.baseline);
  const runners = childRunners();
  // Aborts when the promise settles, however: what still reads or downloads then has nobody to do it for.
  const settled = new AbortController();
  const both = signal ? AbortSignal.any([signal, settled.signal]) : settled.signal;
  let end: (reason: unknown) => void = () => undefined;
  const ended = new Promise<never>((_resolve, reject) => {
    end = reject;
  });
  const work = async (): Promise<DiffReport> => {
    const hub: HubOptions = {
      signal: both,
      onNotice,
      onProgress: ({ file, received, total }) =>
        onProgress({ stage: `downloading ${file}`, done: received, total }),
    };
    const prepared = await openRun(config, runners, { baseline, hub });
    const measured = await runDiff(prepared, runners, {
      signal: both,
      onProgress,
      explainAllLayers: explain,
    });
    return baseline ? heldAgainst(measured, baseline) : measured;
  };
  const abort = (): void => end(signal?.reason);
  const interrupt = (): void => {
    runners.stop();
    end(new AttnDiffError('interrupted', { kept: null }));
  };
  signal?.addEventListener('abort', abort, { once: true });
  watch(interrupt);
  try {
    return await Promise.race([work(), ended]);
  } finally {
    settled.abort();
    runners.stop();
    unwatch(interrupt);
    signal?.removeEventListener('abort', abort);
  }
}

/**
 * The file that a caller names, and how that is said on the command line. One that nobody names but the command would
 * take is said to be left alone, so that the command in the report makes that report.
 */
function fromFile(path: string | undefined): Omit<ParseOptions, 'subcommand'> {
  if (path !== undefined && typeof path !== 'string')
    throw new AttnDiffError('bad-option', {
      option: 'config',
      value: String(path),
      problem: 'it is not a string',
      remedy: 'a path of a configuration file',
    });
  if (path !== undefined) return { file: loadConfigFile(path), fileArguments: ['--config', path] };
  try {
    return loadConfigFile() ? { fileArguments: ['--no-config'] } : {};
  } catch {
    return { fileArguments: ['--no-config'] };
  }
}

/** What is to be done where this process ends, by itself or by a signal, while models run. */
const interrupts = new Set<() => void>();

function watch(interrupt: () => void): void {
  if (interrupts.size === 0) {
    process.on('exit', interruptAll);
    for (const signal of INTERRUPTIONS) process.on(signal, onSignal);
  }
  interrupts.add(interrupt);
}

function unwatch(interrupt: () => void): void {
  if (!interrupts.delete(interrupt) || interrupts.size > 0) return;
  process.off('exit', interruptAll);
  for (const signal of INTERRUPTIONS) process.off(signal, onSignal);
}

function interruptAll(): void {
  for (const interrupt of interrupts) interrupt();
}

/** Where the caller listens too, what becomes of the process is left to it; else the signal ends it, as it would have. */
function onSignal(signal: NodeJS.Signals): void {
  const isLast = process.listenerCount(signal) === 1;
  interruptAll();
  for (const interrupt of interrupts) unwatch(interrupt);
  if (isLast) process.kill(process.pid, signal);
}

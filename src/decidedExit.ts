import { fork } from 'node:child_process';
import { EXIT, type ExitCode } from './errors.js';
import { INTERRUPTIONS } from './runners/protocol.js';

/** What bin/start.js sends to a process that has started it: the exit code that the program decided on. */
export interface Decision {
  exitCode: number;
}

/**
 * Runs a program of bin/ in a process of its own, with this one's streams.
 *
 * @param file the program
 * @returns its exit code; null where a signal ended it. Node ends with 1 too where it cannot start the program, and a
 *   preloaded module can end it with 0: such a code that the program itself did not decide on is 4, as is one that is none
 *   of attn-diff's.
 */
export async function decidedExit(file: string, args: readonly string[]): Promise<ExitCode | null> {
  const child = fork(file, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], execArgv: [] });
  let decided: number | undefined;
  child.on('message', ({ exitCode }: Decision) => (decided = exitCode));
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of INTERRUPTIONS) process.on(signal, forward);
  try {
    const ended = await new Promise<number | null>((resolve) =>
      child.on('exit', resolve).on('error', () => resolve(EXIT.execution)),
    );
    if (ended === null) return null;
    const own = Object.values(EXIT).find((code) => code === ended);
    const needsDecision = ended === EXIT.passed || ended === EXIT.gateFailed;
    return own === undefined || (needsDecision && decided !== ended) ? EXIT.execution : own;
  } finally {
    for (const signal of INTERRUPTIONS) process.off(signal, forward);
  }
}

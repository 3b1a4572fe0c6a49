import type { Host } from './commands/host.js';
import { AttnDiffError, type ExitCode } from './errors.js';
import { fail, runProgram } from './program.js';
import { childRunners } from './runners/childProcess.js';

export { faultText } from './report/faultText.js';

/**
 * The command `attn-diff` in a process of its own.
 *
 * @param finish takes the exit code, of which the last counts
 */
export async function main(finish: (code: ExitCode) => void): Promise<void> {
  let isLost = false;
  // What cannot be read by anyone is no verdict, whatever it would have been.
  const host: Host = {
    finish: (code) => (isLost ? undefined : finish(code)),
    runners: childRunners,
  };
  // A reader that has seen enough (attn-diff run … | head) closes the pipe; that is no fault.
  process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE' || isLost) return;
    fail(
      new AttnDiffError('output-not-writable', {
        path: 'standard output',
        problem: code ?? message,
      }),
      host,
    );
    isLost = true;
  });
  await runProgram(process.argv.slice(2), host);
}

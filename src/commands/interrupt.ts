import { AttnDiffError, type ErrorArgs } from '../errors.js';
import { errorText } from '../report/index.js';
import { INTERRUPTIONS } from '../runners/protocol.js';
import { say } from './say.js';

/**
 * Cleans up where the process ends in the midst of its work: with exit code 4 when it is interrupted, and with whatever
 * code where something else ends it. While it cleans up, another interruption ends it at once.
 *
 * @param kept what of the work is kept
 * @returns a function that stops listening
 */
export function onEnd(
  cleanUp: () => void,
  kept: () => ErrorArgs['interrupted']['kept'],
): () => void {
  const release = (): void => {
    for (const signal of INTERRUPTIONS) process.off(signal, interrupt);
    process.off('exit', cleanUp);
  };
  const interrupt = (): void => {
    // Without a listener a signal does what the system has it do.
    release();
    cleanUp();
    const error = new AttnDiffError('interrupted', { kept: kept() });
    say(errorText(error));
    process.exit(error.exitCode);
  };
  for (const signal of INTERRUPTIONS) process.on(signal, interrupt);
  process.on('exit', cleanUp);
  return release;
}

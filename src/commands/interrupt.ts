import { AttnDiffError, type ErrorArgs } from '../errors.js';
import { errorText } from '../report/index.js';
import { INTERRUPTIONS } from '../runners/protocol.js';

/**
 * Cleans up and ends the process with exit code 4 when it is interrupted.
 *
 * @param kept what of the work is kept
 * @returns a function that stops listening
 */
export function onInterrupt(cleanUp: () => void, kept: () => ErrorArgs['interrupted']['kept']): () => void {
  const listener = (): void => {
    cleanUp();
    const error = new AttnDiffError('interrupted', { kept: kept() });
    process.stderr.write(`attn-diff: ${errorText(error)}\n`);
    process.exit(error.exitCode);
  };
  for (const signal of INTERRUPTIONS) process.once(signal, listener);
  return () => {
    for (const signal of INTERRUPTIONS) process.off(signal, listener);
  };
}

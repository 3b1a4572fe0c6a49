import { createContext, Script } from 'node:vm';

/** A step that untrusted text decides the length of did not end in time. */
export class TooSlow extends Error {}

const CALL = new Script('work()');
const context = createContext({ work: () => undefined as unknown });

/**
 * Does some work that a file or a prompt could make endless: a pattern that backtracks, a template that loops.
 *
 * @param seconds after which it is given up, wherever it is
 * @throws TooSlow; whatever the work throws
 */
export function limited<T>(work: () => T, seconds: number): T {
  context['work'] = work;
  try {
    return CALL.runInContext(context, { timeout: seconds * 1000 }) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT')
      throw new TooSlow(`it takes longer than ${seconds} seconds`);
    if (error instanceof RangeError && error.message.includes('call stack'))
      throw new Error('it nests too deep', { cause: error });
    throw error;
  }
}

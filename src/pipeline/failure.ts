import { AttnDiffError, isError, type ErrorArgs } from '../errors.js';
import type { Failure } from '../types.js';

/**
 * What an error means for an implementation whose process it ended; null for one that is not its own, such as an
 * interruption, or a fault of attn-diff. A process killed by the system (SIGKILL) has most likely used up its memory.
 *
 * @param batch the batch that was running; null before the first
 */
export function failureOf(error: unknown, batch: string | null): Failure | null {
  if (!(error instanceof AttnDiffError)) return null;
  switch (error.code) {
    case 'timed-out': {
      const { stage, seconds } = error.args as ErrorArgs['timed-out'];
      return { kind: 'timed-out', problem: String(seconds), stage, batch };
    }
    case 'runner-crashed': {
      const { stage, signal } = error.args as ErrorArgs['runner-crashed'];
      return {
        kind: signal === 'SIGKILL' ? 'out-of-memory' : 'crashed',
        problem: signal,
        stage,
        batch,
      };
    }
    case 'out-of-memory':
    case 'model-refused':
    case 'input-refused':
    case 'rebuilt-refused':
    case 'execution-failed': {
      const { stage, problem } = error.args as ErrorArgs['execution-failed'];
      return {
        kind: error.code === 'out-of-memory' ? 'out-of-memory' : 'error',
        problem,
        stage,
        batch,
      };
    }
    default:
      return null;
  }
}

/** What work gives, or the fallback where the process that does it ends, or refuses: a second look that fails must not lose the first. */
export async function unlessFailing<T>(work: () => Promise<T>, fallback: T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!failureOf(error, null)) throw error;
    return fallback;
  }
}

/**
 * Work with a graph that was made of a file which ONNX Runtime has taken: where it refuses that graph, the file is not
 * to blame. Kernels are the provider's, weights the file's.
 *
 * @throws AttnDiffError rebuilt-refused; whatever the work throws
 */
export async function onRebuilt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (
      !isError(error, 'model-refused') ||
      error.args.reason === 'kernel' ||
      error.args.reason === 'weights'
    )
      throw error;
    const { stage, problem } = error.args;
    throw new AttnDiffError('rebuilt-refused', { stage, problem });
  }
}

/**
 * Runs the file itself on a batch that it must take: a node that fails there is the file's.
 *
 * @throws AttnDiffError model-refused; whatever the work throws
 */
export async function onFile<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isError(error, 'execution-failed')) throw error;
    throw new AttnDiffError('model-refused', { ...error.args, reason: 'node' });
  }
}

/**
 * Runs the rebuilt graph on the batch that the file itself took: a node that fails there is the rebuilding's.
 *
 * @throws AttnDiffError rebuilt-refused; whatever the work throws
 */
export async function onFirstRebuilt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await onRebuilt(work);
  } catch (error) {
    if (!isError(error, 'execution-failed')) throw error;
    throw new AttnDiffError('rebuilt-refused', error.args);
  }
}

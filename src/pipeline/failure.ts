import { AttnDiffError, type ErrorArgs } from '../errors.js';
import type { Failure } from '../types.js';

/** How runtimes say that they ran out of memory. */
const OUT_OF_MEMORY = /out of memory|bad_alloc|failed to allocate|alloc_failed|OUT_OF_DEVICE_MEMORY|CUDNN_STATUS_ALLOC/i;

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
      return { kind: signal === 'SIGKILL' ? 'out-of-memory' : 'crashed', problem: signal, stage, batch };
    }
    case 'execution-failed': {
      const { stage, problem } = error.args as ErrorArgs['execution-failed'];
      return { kind: OUT_OF_MEMORY.test(problem) ? 'out-of-memory' : 'error', problem, stage, batch };
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

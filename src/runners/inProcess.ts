import { tmpdir } from 'node:os';
import { AttnDiffError } from '../errors.js';
import { openOrtSession } from './ort.js';
import type { Runner, Session } from './types.js';

/** Runs models in this process: simplest, but a run blocks the event loop and a crash is a crash of all. */
export function inProcessRunner(): Runner {
  return {
    provider: 'cpu',
    stop: () => undefined,
    open: async (request, stage): Promise<Session> => {
      const guard = async <T>(work: () => Promise<T>): Promise<T> => {
        try {
          return await work();
        } catch (error) {
          throw new AttnDiffError('execution-failed', { stage, problem: (error as Error).message });
        }
      };
      const session = await guard(() => openOrtSession(request, tmpdir()));
      return {
        run: (feeds) => guard(() => session.run(feeds)),
        executed: () => guard(() => session.executed()),
        close: () => guard(() => session.close()),
      };
    },
  };
}

import { tmpdir } from 'node:os';
import { processMemory } from './memory.js';
import { openOrtSession } from './ort.js';
import { runtimeError, type Doing } from './runtimeError.js';
import type { ProviderName } from '../types.js';
import type { Runner, Runners, Session } from './types.js';

/** Runs models in this process: simplest, but a run blocks the event loop and a crash is a crash of all. */
export function inProcessRunner(provider: ProviderName = 'cpu'): Runner {
  return {
    provider,
    hasEnded: () => false,
    printed: () => '',
    stop: () => undefined,
    memory: async () => processMemory(),
    open: async (request, stage): Promise<Session> => {
      const guard = async <T>(doing: Doing, work: () => Promise<T>): Promise<T> => {
        try {
          return await work();
        } catch (error) {
          throw runtimeError((error as Error).message, stage, doing, provider);
        }
      };
      const session = await guard('opening', () => openOrtSession(request, tmpdir(), provider));
      return {
        run: (feeds) => guard('running', () => session.run(feeds)),
        measure: (feeds, outputs) => guard('running', () => session.measure(feeds, outputs)),
        executed: () => guard('running', () => session.executed()),
        close: () => guard('running', () => session.close()),
      };
    },
  };
}

/** Runners that all share this process: environment variables and timeouts have no effect. */
export function inProcessRunners(): Runners {
  const at: Runners['at'] = ({ provider }) => inProcessRunner(provider);
  return { at, fresh: at, stop: () => undefined };
}

import { fork, type ChildProcess } from 'node:child_process';
import { AttnDiffError } from '../errors.js';
import type { Answer, Request } from './protocol.js';
import type { Tensors } from '../types.js';
import type { Runner, Session, SessionRequest } from './types.js';

const CHILD = new URL('./child.js', import.meta.url);

type Call = Request extends infer R ? (R extends Request ? Omit<R, 'id'> : never) : never;

/**
 * Runs models in a process of their own, so that this one stays free to draw progress and to hear Ctrl-C,
 * and so that a crash there is an error here. The process starts with the first `open`.
 */
export function childRunner(): Runner {
  let child: ChildProcess | undefined;
  let nextId = 1;
  let stage = '';
  const waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();

  const start = (): ChildProcess => {
    const started = fork(CHILD, [], { serialization: 'advanced', stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    started.on('message', (answer: Answer) => {
      waiting.get(answer.id)?.resolve(answer);
      waiting.delete(answer.id);
    });
    started.on('exit', (code, signal) => {
      child = undefined;
      for (const { reject } of waiting.values()) reject(new AttnDiffError('runner-crashed', { stage, signal: signal ?? `exit code ${code}` }));
      waiting.clear();
    });
    return started;
  };

  const ask = async (call: Call): Promise<Extract<Answer, { ok: true }>> => {
    const process = (child ??= start());
    const id = nextId++;
    const answer = await new Promise<Answer>((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      process.send({ ...call, id } as Request, (error) => {
        if (error) reject(new AttnDiffError('execution-failed', { stage, problem: error.message }));
      });
    });
    if (!answer.ok) throw new AttnDiffError('execution-failed', { stage, problem: answer.problem });
    return answer;
  };

  return {
    provider: 'cpu',
    open: async (request: SessionRequest, openStage: string): Promise<Session> => {
      stage = openStage;
      const { session } = await ask({ do: 'open', request });
      const id = session!;
      return {
        run: async (feeds: Tensors) => (await ask({ do: 'run', session: id, feeds })).tensors!,
        executed: async () => (await ask({ do: 'executed', session: id })).nodes!,
        close: async () => void (await ask({ do: 'close', session: id })),
      };
    },
    stop: () => {
      child?.removeAllListeners();
      child?.kill('SIGKILL');
      child = undefined;
    },
  };
}

import { fork, type ChildProcess } from 'node:child_process';
import { libraryEnvironment } from '../cuda/installed.js';
import { AttnDiffError } from '../errors.js';
import { openScratch, type Scratch } from '../files/scratch.js';
import { pooled } from './pool.js';
import { INTERRUPTIONS, NOT_STARTED, type Answer, type Request } from './protocol.js';
import { OUT_OF_MEMORY, runtimeError } from './runtimeError.js';
import type { Tensors } from '../types.js';
import type { Runner, RunnerPlace, Runners, Session, SessionRequest } from './types.js';

const CHILD = new URL('./child.js', import.meta.url);

/** Characters that are kept of what the runtime prints. */
const MOST_PRINTED = 2 ** 20;
/** Characters of what a process says on stderr before it ends. */
const MOST_COMPLAINT = 4096;

type Call = Request extends infer R ? (R extends Request ? Omit<R, 'id'> : never) : never;

/**
 * Runs models in a process of their own, so that this one stays free to draw progress and to hear Ctrl-C,
 * and so that a crash there is an error here. The process starts with the first `open`; what it writes lies in a temporary
 * folder that is removed with it.
 */
function childRunner({
  provider = 'cpu',
  environment = {},
  timeout = null,
}: Partial<RunnerPlace>): Runner {
  let printed = '';
  let child: ChildProcess | undefined;
  let scratch: Scratch | undefined;
  let nextId = 1;
  let stage = '';
  let failure: Error | undefined;
  const waiting = new Map<
    number,
    { resolve: (answer: Answer) => void; reject: (error: Error) => void }
  >();

  // The sessions are gone with the child, so nothing that is asked later can succeed.
  const failAll = (error: Error): void => {
    failure ??= error;
    for (const { reject } of waiting.values()) reject(failure);
    waiting.clear();
  };

  const start = (libraries: Readonly<Record<string, string>>): ChildProcess => {
    scratch ??= openScratch();
    // Of node's own options only limits of memory: with -e or --import a child would run the caller's script again, and its children too.
    const started = fork(CHILD, [scratch.path, provider], {
      env: { ...process.env, ...environment, ...libraries },
      execArgv: [
        ...process.execArgv.filter((option) => option.startsWith('--max-')),
        '--expose-gc',
      ],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    let complaint = '';
    started.stderr
      ?.setEncoding('utf8')
      .on('data', (text: string) => (complaint = (complaint + text).slice(-MOST_COMPLAINT)));
    started.stdout
      ?.setEncoding('utf8')
      .on('data', (text: string) => (printed = (printed + text).slice(-MOST_PRINTED)));
    started.on('message', (answer: Answer) => {
      if (answer.id === NOT_STARTED && !answer.ok) failAll(notStarted({ message: answer.problem }));
      waiting.get(answer.id)?.resolve(answer);
      waiting.delete(answer.id);
    });
    started.on('error', (error: NodeJS.ErrnoException) => failAll(notStarted(error)));
    // Closed is after exited: what it said last has come by then.
    started.on('close', (code, signal) => {
      // A Ctrl-C that comes while the child still starts ends it before this process hears of it.
      const interrupted = INTERRUPTIONS.some((name) => name === signal);
      const [allocation] = OUT_OF_MEMORY.exec(complaint) ?? [];
      if (interrupted) failAll(new AttnDiffError('interrupted', { kept: null }));
      else if (allocation !== undefined)
        failAll(
          new AttnDiffError('out-of-memory', {
            stage,
            problem: `the process that runs the model ended with ${allocation}`,
          }),
        );
      else
        failAll(
          new AttnDiffError('runner-crashed', { stage, signal: signal ?? `exit code ${code}` }),
        );
    });
    return started;
  };

  const ask = async (call: Call, ownStage: string): Promise<Extract<Answer, { ok: true }>> => {
    if (failure) throw failure;
    stage = ownStage;
    const libraries = child ? {} : await libraryEnvironment(provider, process.env);
    // It may have been stopped meanwhile.
    if (failure) throw failure;
    const id = nextId++;
    const expiry =
      timeout === null
        ? undefined
        : setTimeout(() => {
            failAll(new AttnDiffError('timed-out', { stage, seconds: timeout }));
            child?.kill('SIGKILL');
          }, timeout * 1000);
    const answer = await new Promise<Answer>((resolve, reject) => {
      let asked: ChildProcess;
      try {
        asked = child ??= start(libraries);
      } catch (error) {
        return reject(
          error instanceof AttnDiffError ? error : notStarted(error as NodeJS.ErrnoException),
        );
      }
      try {
        waiting.set(id, { resolve, reject });
        // Where sending fails, the child is gone or of no more use; how it ended says more than the broken pipe.
        asked.send({ ...call, id } as Request, (error) => {
          if (error) asked.kill('SIGKILL');
        });
      } catch (error) {
        reject(notStarted(error as NodeJS.ErrnoException));
      }
    }).finally(() => clearTimeout(expiry));
    if (!answer.ok)
      throw answer.temporary
        ? new AttnDiffError('temporary-folder', answer.temporary)
        : runtimeError(answer.problem, stage, call.do === 'open' ? 'opening' : 'running', provider);
    return answer;
  };

  return {
    provider,
    hasEnded: () => failure !== undefined,
    printed: () => printed,
    open: async (request: SessionRequest, openStage: string): Promise<Session> => {
      const { session } = await ask({ do: 'open', request }, openStage);
      const id = session!;
      return {
        run: async (feeds: Tensors) =>
          (await ask({ do: 'run', session: id, feeds }, openStage)).tensors!,
        measure: async (feeds, outputs) =>
          (await ask({ do: 'measure', session: id, feeds, outputs }, openStage)).milliseconds!,
        executed: async () => (await ask({ do: 'executed', session: id }, openStage)).nodes!,
        close: async () => void (await ask({ do: 'close', session: id }, openStage)),
      };
    },
    memory: async () => (await ask({ do: 'memory' }, 'starting a process')).memory!,
    stop: () => {
      // Whoever still works on, though nobody waits for it any more, must not start another process.
      failure ??= new AttnDiffError('interrupted', { kept: null });
      child?.removeAllListeners();
      child?.kill('SIGKILL');
      child = undefined;
      scratch?.remove();
      scratch = undefined;
    },
  };
}

/** Of the system or the installation, not of an implementation, which must not be said to have failed. */
function notStarted({
  code,
  message,
}: {
  code?: string | undefined;
  message: string;
}): AttnDiffError {
  return new AttnDiffError('runner-not-started', { problem: code ?? message });
}

/** Runners in processes of their own. */
export function childRunners(): Runners {
  return { ...pooled(childRunner), ownProcesses: true };
}

import { plural } from '../report/text/number.js';
import { clause, error } from './wording.js';

/** What makes a run need less memory; advised only where memory ran out. */
const LESS_MEMORY =
  'Try a smaller batch (--length, fewer prompts) or fewer implementations (--impl)';

/** A process that the system killed has most likely used up the memory. */
const KILLED = 'SIGKILL';

/** The model was taken, but running it failed: exit code 4. */
export const EXECUTION = {
  'out-of-memory': error(
    (a: { stage: string; problem: string }) =>
      `${clause(a.stage)}: memory ran out: ${clause(a.problem)}`,
    LESS_MEMORY,
  ),
  'execution-failed': error(
    (a: { stage: string; problem: string }) => `${clause(a.stage)} failed: ${clause(a.problem)}`,
    'Run the file by itself in ONNX Runtime on such a batch: where that works, report this with the model and these versions',
  ),
  'runner-not-started': error(
    (a: { problem: string }) =>
      `the process that runs the model cannot be started: ${clause(a.problem)}`,
    (a) =>
      /^E[A-Z]+$/.test(a.problem)
        ? 'Check the limits of this user and of this container (ulimit -a)'
        : 'Install attn-diff again',
  ),
  'runner-crashed': error(
    (a: { stage: string; signal: string }) =>
      a.signal === KILLED
        ? `${clause(a.stage)}: the process that runs the model was killed (${a.signal}), as systems do where memory runs out`
        : `${clause(a.stage)}: the process that runs the model crashed (${a.signal})`,
    (a) =>
      a.signal === KILLED
        ? LESS_MEMORY
        : 'Run the file by itself in ONNX Runtime: where that crashes too, report it there, else report it here with the model and these versions',
  ),
  'timed-out': error(
    (a: { stage: string; seconds: number }) =>
      `${clause(a.stage)}: no answer within ${plural(a.seconds, 'second')}`,
    'Give it longer with --timeout, or fewer tokens (--length, fewer prompts)',
  ),
  /** `kept` is null where nothing was. */
  interrupted: error(
    (a: { kept: { path: string; done: number; total: number } | null }) =>
      a.kept === null
        ? 'interrupted; nothing was written'
        : `interrupted after ${a.kept.done} of ${a.kept.total} batches, which are kept in ${clause(a.kept.path)}`,
    (a) =>
      a.kept === null ? 'Run the command again' : 'Run the same command with --resume to go on',
  ),
};

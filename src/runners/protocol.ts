import { AttnDiffError, type ErrorArgs } from '../errors.js';
import type { Tensors } from '../types.js';
import type { ExecutedNode, ProcessMemory, SessionRequest } from './types.js';

/** What the host asks of its child process; one answer each, in order. */
export type Request =
  | { id: number; do: 'open'; request: SessionRequest }
  | { id: number; do: 'run'; session: number; feeds: Tensors }
  | { id: number; do: 'measure'; session: number; feeds: Tensors; outputs: readonly string[] }
  | { id: number; do: 'memory' }
  | { id: number; do: 'executed'; session: number }
  | { id: number; do: 'close'; session: number };

export type Answer =
  | {
      id: number;
      ok: true;
      session?: number;
      tensors?: Tensors;
      nodes?: ExecutedNode[];
      milliseconds?: number;
      memory?: ProcessMemory;
    }
  | ({ id: number; ok: false } & Fault);

/** What went wrong: something of the model, or, with `temporary`, of the folder for temporary files. */
export interface Fault {
  problem: string;
  temporary?: ErrorArgs['temporary-folder'];
}

/** The `id` of the answer of a child that could not be loaded; that of no request. */
export const NOT_STARTED = 0;

export function faultOf(error: unknown): Fault {
  if (error instanceof AttnDiffError && error.code === 'temporary-folder')
    return { problem: error.message, temporary: error.args as ErrorArgs['temporary-folder'] };
  return { problem: error instanceof Error ? error.message : String(error) };
}

/** Signals by which a user or a system ends a run. The host answers them; the child leaves that to it. */
export const INTERRUPTIONS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const satisfies NodeJS.Signals[];

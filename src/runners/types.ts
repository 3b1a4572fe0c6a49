import type { Tensors } from '../types.js';

export interface SessionRequest {
  /** The model file, or an encoded model whose external data lies in `folder`. */
  model: { path: string } | { bytes: Uint8Array; folder: string };
  /** Whether to record which provider runs each node; ends the session's first run. */
  profile?: boolean;
}

/** A node that the execution provider ran, as its own profile tells. */
export interface ExecutedNode {
  name: string;
  opType: string;
  provider: string;
}

/** A loaded model. `close` frees it; after that nothing else may be called. */
export interface Session {
  run(feeds: Tensors): Promise<Tensors>;
  /** The nodes executed so far; ends profiling. Empty unless the session was opened with `profile`. */
  executed(): Promise<ExecutedNode[]>;
  close(): Promise<void>;
}

/** Executes models. Implementations differ in where: in this process, or in one of their own. */
export interface Runner {
  readonly provider: string;
  open(request: SessionRequest, stage: string): Promise<Session>;
  /** Ends whatever the runner holds, at once. */
  stop(): void;
}

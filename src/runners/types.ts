import type { ProviderName, Tensors } from '../types.js';

/** Where a runner executes, and with which settings of its own: both are fixed once its process runs. */
export interface RunnerPlace {
  provider: ProviderName;
  /** Environment variables that are set beside the caller's own. */
  environment: Readonly<Record<string, string>>;
  /** Tells apart runners that are alike in all else, and must not end with each other; '' for none. */
  group: string;
  /** Seconds that one step (opening a model, one pass) may take; null for no limit. */
  timeout: number | null;
}

export interface SessionRequest {
  /** The model file, or an encoded model whose external data lies in `folder`. */
  model: { path: string } | { bytes: Uint8Array; folder: string };
  /** Whether to record which provider runs each node; ends the session's first run. */
  profile?: boolean;
  /** Whether weights are copied into the order that kernels like best, as ONNX Runtime does unless told otherwise. */
  prepack?: boolean;
  /**
   * What ONNX Runtime may fuse: nothing (unless said), so that operators are those of the model; what lies outside
   * attention; or all, as it does unless told otherwise.
   */
  fuse?: 'nothing' | 'outside-attention' | 'all';
}

/** What a process holds of the main memory, in bytes. */
export interface ProcessMemory {
  /** Now. */
  resident: number;
  /** At most, since the process began. */
  peak: number;
}

/** A node that an execution provider ran, as its own profile tells. */
export interface ExecutedNode {
  name: string;
  opType: string;
  provider: string;
  /** Element types of what it took and of what it made, as ONNX Runtime calls them (`float`, `float16`), in their order; empty where they are not told. */
  inputTypes: string[];
  outputTypes: string[];
  /** Programs that the provider ran for it, where its profile names them (WebGPU's shaders); else empty. */
  programs: string[];
}

/** A loaded model. `close` frees it; after that nothing else may be called. */
export interface Session {
  run(feeds: Tensors): Promise<Tensors>;
  /** Runs once for these outputs, which stay where they are, and tells the milliseconds that took in its own process. */
  measure(feeds: Tensors, outputs: readonly string[]): Promise<number>;
  /** The nodes executed so far; ends profiling. Empty unless the session was opened with `profile`. */
  executed(): Promise<ExecutedNode[]>;
  close(): Promise<void>;
}

/** Executes models. Implementations differ in where: in this process, or in one of their own. */
export interface Runner {
  readonly provider: ProviderName;
  open(request: SessionRequest, stage: string): Promise<Session>;
  /** Memory of the process that its sessions are in. */
  memory(): Promise<ProcessMemory>;
  /** Whether its process has ended, so that nothing more can be asked of it. */
  hasEnded(): boolean;
  /** What the runtime has printed so far; CUDA's kernels name themselves there. */
  printed(): string;
  /** Ends whatever the runner holds, at once. */
  stop(): void;
}

/** Makes runners, each with a process of its own where a crash must not end the others. */
export interface Runners {
  /** The runner of a place, the same for all that ask; another where that one's process has ended. */
  at(place: Partial<RunnerPlace>): Runner;
  /** Whether they are processes of their own. */
  readonly ownProcesses?: boolean;
  /** A runner that nobody else gets. */
  fresh(place: Partial<RunnerPlace>): Runner;
  stop(): void;
}

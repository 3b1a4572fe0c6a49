import type { ExitCode } from '../errors.js';
import type { Runners } from '../runners/types.js';

/** What a command asks of the process that it runs in. */
export interface Host {
  /** Sets the exit code. */
  finish(code: ExitCode): void;
  /** What runs models. */
  runners(): Runners;
}

/**
 * Everything that a user can get wrong, as data: a code and its arguments. What each code says and advises, and the exit
 * code it gives, is one entry of a table in errors/; report/errorText.ts makes a line of it.
 */
import type { ExitCode } from './errors/exit.js';
import { ERRORS, type ErrorArgs, type ErrorCode } from './errors/table.js';

export { EXIT, type ExitCode } from './errors/exit.js';
export type { RefusalReason } from './errors/refused.js';
export { ERROR_CODES, type ErrorArgs, type ErrorCode } from './errors/table.js';

/** An error that the user can act on. Anything else that is thrown is a fault of attn-diff and keeps its stack. */
export class AttnDiffError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C;
  readonly args: ErrorArgs[C];

  constructor(code: C, args: ErrorArgs[C]) {
    super(`${code} ${JSON.stringify(args)}`);
    this.name = 'AttnDiffError';
    this.code = code;
    this.args = args;
  }

  get exitCode(): ExitCode {
    return ERRORS[this.code].exitCode;
  }
}

/** Whether an error is one of this code; its arguments then are known. */
export function isError<C extends ErrorCode>(error: unknown, code: C): error is AttnDiffError<C> {
  return error instanceof AttnDiffError && error.code === code;
}

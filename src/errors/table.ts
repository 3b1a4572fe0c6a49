import { EXECUTION } from './execution.js';
import { EXIT, type ExitCode } from './exit.js';
import { HUB } from './hub.js';
import { MODEL } from './model.js';
import { REFUSED } from './refused.js';
import { SAVED } from './saved.js';
import { SETUP, SETUP_SOURCE } from './setup.js';
import { USAGE } from './usage.js';
import type { ErrorWording } from './wording.js';

/** What is known of one kind of error: the exit code it gives, what it says, what it advises. */
export interface ErrorEntry<A> extends ErrorWording<A> {
  exitCode: ExitCode;
}

type Wordings = Readonly<Record<string, ErrorWording<never>>>;
type ArgsOf<W> = W extends ErrorWording<infer A> ? A : never;

function ending<W extends Wordings>(
  exitCode: ExitCode,
  wordings: W,
): { [C in keyof W]: ErrorEntry<ArgsOf<W[C]>> } {
  return Object.fromEntries(
    Object.entries(wordings).map(([code, wording]) => [code, { ...wording, exitCode }]),
  ) as never;
}

/** Every error that a user can act on. */
export const ERRORS = {
  ...ending(EXIT.usage, USAGE),
  ...ending(EXIT.usage, SAVED),
  ...ending(EXIT.usage, SETUP_SOURCE),
  ...ending(EXIT.model, MODEL),
  ...ending(EXIT.model, HUB),
  ...ending(EXIT.model, REFUSED),
  ...ending(EXIT.execution, EXECUTION),
  ...ending(EXIT.execution, SETUP),
};

export type ErrorCode = keyof typeof ERRORS;
/** The arguments of each error. */
export type ErrorArgs = { [C in ErrorCode]: ArgsOf<(typeof ERRORS)[C]> };
export const ERROR_CODES = Object.keys(ERRORS) as ErrorCode[];

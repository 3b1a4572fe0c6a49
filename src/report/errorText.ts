import type { AttnDiffError, ErrorArgs } from '../errors.js';
import { ERRORS, type ErrorEntry } from '../errors/table.js';
import { clause } from '../errors/wording.js';
import { workflowCommand } from './github.js';
import { printable } from './text/width.js';

/**
 * What is wrong and what to do, for each error that a user can act on.
 *
 * @returns one line, without a line end: control characters in the arguments become spaces, long ones are cut
 */
export function errorText(error: AttnDiffError): string {
  // One place to undo what TypeScript cannot follow: the entry of a code takes the arguments of that code.
  const { says, advice } = ERRORS[error.code] as ErrorEntry<ErrorArgs[keyof ErrorArgs]>;
  return printable(`${says(error.args)}. ${advice(error.args)}.`);
}

/** One line for GitHub Actions, where the summary of a step could not be written; the run goes on. */
export function summaryProblemText(path: string, problem: string): string {
  return workflowCommand({
    level: 'warning',
    title: 'attn-diff',
    message: `${path}: the step summary cannot be written: ${clause(problem)}. The report itself is not touched; --no-ci leaves the summary out.`,
  });
}

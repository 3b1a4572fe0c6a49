import { Command } from '@commander-js/extra-typings';
import type { ExitCode } from '../errors.js';
import { DTYPE_HELP, MODEL_HELP, run, withRunOptions } from './run.js';

export function explainCommand(finish: (code: ExitCode) => void): Command {
  return withRunOptions(new Command('explain'))
    .description('Do what `run` does, then rebuild the reference with one factor changed at a time where an implementation parts from it, and say what makes the difference.')
    .option('--model <path>', MODEL_HELP)
    .option('--dtype <dtype>', DTYPE_HELP)
    .action(async (options) => finish(await run(options, 'explain'))) as unknown as Command;
}

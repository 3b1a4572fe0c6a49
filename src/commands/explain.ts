import { Command } from '@commander-js/extra-typings';
import type { Host } from './host.js';
import { DTYPE_HELP, MODEL_HELP, run, withRunOptions } from './run.js';

export function explainCommand(host: Host): Command {
  return withRunOptions(new Command('explain'))
    .description(
      'Do what `run` does, then rebuild the reference with one factor changed at a time where an implementation parts from it, and say what makes the difference.',
    )
    .option('--model <path>', MODEL_HELP)
    .option('--dtype <dtype>', DTYPE_HELP)
    .action(async (options) =>
      host.finish(await run(options, host, 'explain')),
    ) as unknown as Command;
}

import { Command, Option } from '@commander-js/extra-typings';
import { parseInspectPaths } from '../config/index.js';
import { EXIT, type ExitCode } from '../errors.js';
import { inspect } from '../pipeline/inspect.js';
import { inspectionJson, inspectionText } from '../report/index.js';
import { DTYPE_HELP, MODEL_HELP } from './run.js';
import { withResources } from './resources.js';
import { renderOptions } from './terminal.js';

export function inspectCommand(finish: (code: ExitCode) => void): Command {
  return new Command('inspect')
    .description('Print what is recognised in a model: sizes, exporter, and the attention of every layer.')
    .option('--model <path>', MODEL_HELP)
    .option('--dtype <dtype>', DTYPE_HELP)
    .addOption(new Option('--format <format>', 'table or json').choices(['table', 'json'] as const).default('table' as const))
    .option('--output <file>', 'write to a file instead of standard output')
    .action(async ({ format, ...paths }) => {
      const { model, dtype, output: path } = parseInspectPaths(paths);
      await withResources([path], async ({ outputs: [output], runners, download }) => {
        const inspection = await inspect(model, runners.at({}), { dtype, hub: download });
        output!.write(format === 'json' ? inspectionJson(inspection) : inspectionText(inspection, renderOptions(path !== null)));
      });
      finish(EXIT.passed);
    }) as unknown as Command;
}

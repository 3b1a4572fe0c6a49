import { Command, Option } from '@commander-js/extra-typings';
import { parseInspectPaths } from '../config/index.js';
import { EXIT } from '../errors.js';
import { inspect } from '../pipeline/inspect.js';
import { inspectionJson, inspectionText } from '../report/index.js';
import { DTYPE_HELP, MODEL_HELP } from './run.js';
import type { Host } from './host.js';
import { withResources } from './resources.js';
import { renderOptions } from './terminal.js';

export function inspectCommand(host: Host): Command {
  return new Command('inspect')
    .description(
      'Print what is recognised in a model: sizes, exporter, and the attention of every layer.',
    )
    .option('--model <path>', MODEL_HELP)
    .option('--dtype <dtype>', DTYPE_HELP)
    .addOption(
      new Option('--format <format>', 'table or json')
        .choices(['table', 'json'] as const)
        .default('table' as const),
    )
    .option('--output <file>', 'write to a file instead of standard output')
    .action(async ({ format, ...paths }) => {
      const { model, dtype, output: path } = parseInspectPaths(paths);
      await withResources(host, [path], async ({ outputs: [output], runners, download }) => {
        const inspection = await inspect(model, runners.at({}), { dtype, hub: download });
        output!.write(
          format === 'json'
            ? inspectionJson(inspection)
            : inspectionText(inspection, renderOptions(path !== null)),
        );
      });
      host.finish(EXIT.passed);
    }) as unknown as Command;
}

import { Command, Option } from '@commander-js/extra-typings';
import { EXIT, type ExitCode } from '../errors.js';
import { inspect } from '../pipeline/inspect.js';
import { inspectionJson, inspectionText } from '../report/index.js';
import { childRunner } from '../runners/childProcess.js';
import { onInterrupt } from './interrupt.js';
import { openOutput } from './output.js';
import { renderOptions } from './terminal.js';

export function inspectCommand(finish: (code: ExitCode) => void): Command {
  return new Command('inspect')
    .description('Print what is recognised in a model: sizes, exporter, and the attention of every layer.')
    .requiredOption('--model <path>', 'a folder with model.onnx and config.json, or an .onnx file')
    .addOption(new Option('--format <format>', 'table or json').choices(['table', 'json'] as const).default('table' as const))
    .option('--output <file>', 'write to a file instead of standard output')
    .action(async ({ model, format, output: path }) => {
      const output = openOutput(path ?? null);
      const runner = childRunner();
      const release = onInterrupt(() => {
        runner.stop();
        output.discard();
      });
      try {
        const inspection = await inspect(model, runner);
        output.write(format === 'json' ? inspectionJson(inspection) : inspectionText(inspection, renderOptions(path !== undefined)));
        finish(EXIT.passed);
      } finally {
        release();
        runner.stop();
        output.discard();
      }
    }) as unknown as Command;
}

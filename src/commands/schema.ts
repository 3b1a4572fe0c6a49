import { Argument, Command } from '@commander-js/extra-typings';
import { configJsonSchema } from '../config/index.js';
import { DOCUMENT_NAMES, documentJsonSchema } from '../report/index.js';

export function schemaCommand(): Command {
  return new Command('schema')
    .description(
      'Print the JSON Schema of the report of run and explain, of another JSON document that attn-diff writes, or of the configuration file (config).',
    )
    .addArgument(
      new Argument('[document]', 'which')
        .choices([...DOCUMENT_NAMES, 'config' as const])
        .default('report' as const),
    )
    .action(
      (document) =>
        void process.stdout.write(
          `${JSON.stringify(document === 'config' ? configJsonSchema() : documentJsonSchema(document), null, 2)}\n`,
        ),
    ) as unknown as Command;
}

import { Argument, Command } from '@commander-js/extra-typings';
import { DOCUMENT_NAMES, documentJsonSchema } from '../report/index.js';

export function schemaCommand(): Command {
  return new Command('schema')
    .description('Print the JSON Schema of a JSON document: the report of run and explain, or what bench or doctor writes.')
    .addArgument(new Argument('[document]', 'which').choices(DOCUMENT_NAMES).default('report' as const))
    .action((document) => void process.stdout.write(`${JSON.stringify(documentJsonSchema(document), null, 2)}\n`)) as unknown as Command;
}

import { Command } from '@commander-js/extra-typings';
import { reportJsonSchema } from '../report/index.js';

export function schemaCommand(): Command {
  return new Command('schema')
    .description('Print the JSON Schema of the JSON report.')
    .action(() => void process.stdout.write(`${JSON.stringify(reportJsonSchema(), null, 2)}\n`)) as Command;
}

import { Command, Option } from '@commander-js/extra-typings';
import { parseDoctorOptions } from '../config/index.js';
import { EXIT } from '../errors.js';
import { diagnose } from '../pipeline/doctor.js';
import { doctorJson, doctorText } from '../report/index.js';
import type { Host } from './host.js';
import { withResources } from './resources.js';
import { renderOptions } from './terminal.js';

/** Whatever is missing on the machine is a finding; the command fails only where it could not look. */
export function doctorCommand(host: Host): Command {
  return new Command('doctor')
    .description(
      'Tell what runs on this machine: execution providers, GPUs, libraries, and the implementations that they make possible.',
    )
    .option(
      '--timeout <seconds>',
      'what one step of an execution provider may take, after which it has failed (default: 60)',
    )
    .addOption(
      new Option('--format <format>', 'table or json')
        .choices(['table', 'json'] as const)
        .default('table' as const),
    )
    .option('--output <file>', 'write to a file instead of standard output')
    .action(async ({ format, ...options }) => {
      const { timeout, output: path } = parseDoctorOptions(options);
      await withResources(host, [path], async ({ outputs: [output], runners }) => {
        const diagnosis = await diagnose(runners, timeout);
        output!.write(
          format === 'json'
            ? doctorJson(diagnosis)
            : doctorText(diagnosis, renderOptions(path !== null)),
        );
      });
      host.finish(EXIT.passed);
    }) as unknown as Command;
}

import type { Command, OptionValues } from '@commander-js/extra-typings';
import type { RawMergeOptions } from '../config/index.js';
import { REPORT_FORMATS } from '../types.js';

/** What these options are handed over as. */
type ReportOptions = Omit<RawMergeOptions, 'allow'>;

/** Options of every command that writes a report. The type is named, because what extra-typings infers of a generic command is written out in megabytes. */
export function withReportOptions<A extends unknown[], O extends OptionValues>(
  command: Command<A, O>,
): Command<A, O & ReportOptions> {
  return command
    .option(
      '--save-baseline <file>',
      'keep the numbers of this run, to hold later ones against; also where the gate fails, but not where nothing was compared or an implementation did not run to its end',
    )
    .option(
      '--baseline <file>',
      'fail where a number has grown since an earlier run: a file of --save-baseline, or a report as JSON',
    )
    .option(
      '--max-regression <factor>',
      'with --baseline: how many times what it was a number may be, beyond what rounding explains (default: 1.5x)',
    )
    .option(
      '--history <file>',
      'append what came of this run to a file, as one line; attn-diff history shows it',
    )
    .option(
      '--label <text>',
      'with --history: what the run is called there (default: the model as it is given)',
    )
    .option(
      '--report <format[=file]>',
      `write a report, perhaps to a file: ${REPORT_FORMATS.join(', ')}; may be given several times`,
      (target: string, targets: string[] | undefined) => [...(targets ?? []), target],
    )
    .option(
      '--format <format>',
      'format of the report on standard output, or in --output (default: text)',
    )
    .option('--output <file>', 'write that report to a file instead of standard output')
    .option(
      '--no-ci',
      'in GitHub Actions: write no annotations and no step summary',
    ) as unknown as Command<A, O & ReportOptions>;
}

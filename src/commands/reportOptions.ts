import type { Command, OptionValues } from '@commander-js/extra-typings';
import { REPORT_FORMATS } from '../types.js';

/** Options of every command that writes a report. */
// oxlint-disable-next-line typescript/explicit-function-return-type -- the type is what extra-typings infers
export function withReportOptions<A extends unknown[], O extends OptionValues>(command: Command<A, O>) {
  return command
    .option('--save-baseline <file>', 'keep the numbers of this run, to hold later ones against; also where the gate fails, but not where nothing was compared or an implementation did not run to its end')
    .option('--baseline <file>', 'fail where a number has grown since an earlier run: a file of --save-baseline, or a report as JSON')
    .option('--max-regression <factor>', 'with --baseline: how many times what it was a number may be, beyond what rounding explains (default: 1.5x)')
    .option('--report <format[=file]>', `write a report, perhaps to a file: ${REPORT_FORMATS.join(', ')}; may be given several times`, (target: string, targets: string[] | undefined) => [...(targets ?? []), target])
    .option('--format <format>', 'format of the report on standard output, or in --output (default: text)')
    .option('--output <file>', 'write that report to a file instead of standard output')
    .option('--no-ci', 'in GitHub Actions: write no annotations and no step summary');
}

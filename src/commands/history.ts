import { Command } from '@commander-js/extra-typings';
import { parseHistoryOptions } from '../config/index.js';
import { AttnDiffError, EXIT } from '../errors.js';
import { readTextFile } from '../pipeline/textFile.js';
import { HISTORY_FORMATS, historyOf, readHistory, tornText } from '../report/index.js';
import { HISTORY_FORMAT_NAMES, HISTORY_METRICS } from '../types.js';
import type { Host } from './host.js';
import { withResources } from './resources.js';
import { renderOptions } from './terminal.js';
import { say } from './say.js';

export function historyCommand(host: Host): Command {
  return new Command('history')
    .description(
      'Show the runs that `run --history` has noted: how numbers went, where the verdict turned, and which run first drifted.',
    )
    .argument('<file>', 'the history')
    .option('--format <format>', `${HISTORY_FORMAT_NAMES.join(', ')} (default: text)`)
    .option(
      '--metric <names>',
      `what is plotted, separated by commas: ${HISTORY_METRICS.join(', ')} (default: local,delta-loss)`,
    )
    .option('--last <n>', 'show the last n runs only')
    .option('--output <file>', 'write to a file instead of standard output')
    .action(async (path, options) => {
      const { format, metric, last, output: target } = parseHistoryOptions(options);
      const { runs, torn } = readHistory(
        readTextFile(
          path,
          (problem) => new AttnDiffError('history-unreadable', { path, line: null, problem }),
        ),
        path,
      );
      await withResources(host, [target], async ({ outputs: [output] }) => {
        for (const line of torn) say(tornText(path, line));
        output!.write(
          HISTORY_FORMATS[format](
            historyOf(runs),
            { path, metrics: metric, last },
            renderOptions(target !== null),
          ),
        );
      });
      host.finish(EXIT.passed);
    }) as unknown as Command;
}

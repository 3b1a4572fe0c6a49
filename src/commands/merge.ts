import { Command } from '@commander-js/extra-typings';
import { parseMergeOptions, type RawMergeOptions } from '../config/index.js';
import type { ExitCode } from '../errors.js';
import { mergeShards } from '../pipeline/merge.js';
import { MACHINE_FIELDS } from '../types.js';
import type { Host } from './host.js';
import { withReportOptions } from './reportOptions.js';
import { withResources } from './resources.js';
import { openBaseline, openReport } from '../pipeline/savedFile.js';
import { outputPaths, writeReports } from './writeReports.js';

export function mergeCommand(host: Host): Command {
  return withReportOptions(
    new Command('merge')
      .description(
        'Join the JSON reports of all shards of a run into the report that one run would have given.',
      )
      .argument('<reports...>', 'the JSON reports of all shards, in any order')
      .option(
        '--allow <fields>',
        `in what the machines of the shards may differ, separated by commas: ${MACHINE_FIELDS.join(', ')}; with --baseline as of run too`,
      ),
  ).action(async (files, options) =>
    host.finish(await merge(files, options, host)),
  ) as unknown as Command;
}

/**
 * Reads the shards, and writes the report of the whole.
 *
 * @throws AttnDiffError codes of exit 2
 */
async function merge(
  files: readonly string[],
  options: RawMergeOptions,
  host: Host,
): Promise<ExitCode> {
  const config = parseMergeOptions(files, options);
  // Read before anything is opened to be written, since it may be the same file.
  const baseline = config.baseline && openBaseline(config.baseline);
  const shards = config.files.map((path) => ({ path, report: openReport(path) }));
  return withResources(host, outputPaths(config), async ({ outputs }) => {
    const merged = await mergeShards(shards, config.allow);
    return writeReports(
      { ...merged, command: [...merged.command, ...config.command] },
      { ...config, headsTold: true, baseline },
      outputs,
    );
  });
}

import { realpathSync } from 'node:fs';
import { Command } from '@commander-js/extra-typings';
import { COMPARE_FORMATS, parseCompareOptions } from '../config/index.js';
import { AttnDiffError, EXIT } from '../errors.js';
import { compareRuns } from '../gate/index.js';
import { COMPARE_RENDERERS } from '../report/index.js';
import type { Host } from './host.js';
import { withResources } from './resources.js';
import { openSaved } from '../pipeline/savedFile.js';
import { renderOptions } from './terminal.js';

export function compareCommand(host: Host): Command {
  return new Command('compare')
    .description(
      'Show two saved runs side by side: reports as JSON, or baselines, of other checkpoints, exporters, versions or machines. No model is run.',
    )
    .argument('<a>', 'a file of --report json=FILE or --save-baseline')
    .argument('<b>', 'another')
    .option(
      '--max-regression <factor>',
      'fail where a number of b is more than so many times what it is in a, beyond what rounding explains; without, nothing fails',
    )
    .option('--format <format>', `${COMPARE_FORMATS.join(', ')} (default: text)`)
    .option('--output <file>', 'write to a file instead of standard output')
    .action(async (a, b, options) => {
      const { maxRegression, format, output: path } = parseCompareOptions(options);
      if (path !== null && [a, b].some((input) => isSameFile(input, path)))
        throw new AttnDiffError('bad-option', {
          option: '--output',
          value: path,
          problem: 'it is one of the files that are compared',
          remedy: 'a file of its own',
        });
      const [one, other] = [
        { path: a, ...openSaved(a) },
        { path: b, ...openSaved(b) },
      ];
      await withResources(host, [path], async ({ outputs: [output] }) => {
        const comparison = compareRuns(one, other, maxRegression);
        output!.write(COMPARE_RENDERERS[format](comparison, renderOptions(path !== null)));
        host.finish(comparison.regression?.passed === false ? EXIT.gateFailed : EXIT.passed);
      });
    }) as unknown as Command;
}

function isSameFile(path: string, other: string): boolean {
  try {
    return realpathSync(path) === realpathSync(other);
  } catch {
    return false;
  }
}

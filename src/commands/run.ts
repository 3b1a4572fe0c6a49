import { Command } from '@commander-js/extra-typings';
import { parseRunOptions, type RawRunOptions } from '../config/index.js';
import { EXIT, type ExitCode } from '../errors.js';
import { prepareRun, runDiff } from '../pipeline/run.js';
import { FORMATS } from '../report/index.js';
import { childRunner } from '../runners/childProcess.js';
import { onInterrupt } from './interrupt.js';
import { openOutput } from './output.js';
import { progressBar } from './progress.js';
import { renderOptions } from './terminal.js';

/** Options that `run` and `demo` share. */
// oxlint-disable-next-line typescript/explicit-function-return-type -- the type is what extra-typings infers
export function withRunOptions(command: Command) {
  return command
    .option('--impl <names>', 'implementations to compare, separated by commas: eager, sdpa, flash, exact, original (default: eager,sdpa,flash)')
    .option('--reference <name>', 'implementation that the others are compared with (default: eager)')
    .option('--prompts <file>', 'prompts: a text file with one a line, or JSONL with "text"')
    .option('--prompt <text>', 'a prompt; may be given several times', (text: string, texts: string[] | undefined) => [...(texts ?? []), text])
    .option('--random <BxT>', 'B rows of up to T random tokens instead of prompts; needs no tokenizer')
    .option('--seed <n>', 'seed of --random (default: 0)')
    .option('--length <n>', 'pad, and truncate, every row to n tokens')
    .option('--padding <sides>', 'padding sides, one batch each (default: left,right)')
    .option('--mask-fill <fill>', "what eager's masked scores are filled with: min or -inf (default: min)")
    .option('--max-abs <x>', 'fail when |difference| exceeds x on a valid token')
    .option('--min-cosine <x>', 'fail when the cosine similarity of a valid token falls below x')
    .option('--fail-on <what>', 'nan: fail when a valid token is NaN or Inf; none: do not (default: nan)')
    .option('--format <format>', 'text or json (default: text)')
    .option('--output <file>', 'write the report to a file instead of standard output');
}

export function runCommand(finish: (code: ExitCode) => void): Command {
  return withRunOptions(new Command('run'))
    .description('Run the same padded batches through several attention implementations and compare them layer by layer.')
    .requiredOption('--model <path>', 'a folder with model.onnx and config.json, or an .onnx file')
    .action(async (options) => finish(await run(options))) as unknown as Command;
}

/**
 * Checks every input, opens the output, runs, and writes the report.
 *
 * @throws AttnDiffError
 */
export async function run(options: RawRunOptions): Promise<ExitCode> {
  const config = parseRunOptions(options);
  const prepared = await prepareRun(config);
  const output = openOutput(config.output);
  const runner = childRunner();
  const progress = progressBar();
  const release = onInterrupt(() => {
    progress.stop();
    runner.stop();
    output.discard();
  });
  try {
    const report = await runDiff(prepared, runner, progress.update);
    progress.stop();
    output.write(FORMATS[config.format](report, renderOptions(config.output !== null)));
    return report.verdict.passed ? EXIT.passed : EXIT.gateFailed;
  } finally {
    release();
    progress.stop();
    runner.stop();
    output.discard();
  }
}

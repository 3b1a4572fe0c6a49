import { Command } from '@commander-js/extra-typings';
import { parseRunOptions, type RawRunOptions } from '../config/index.js';
import { EXIT, type ExitCode } from '../errors.js';
import { DTYPES } from '../model/index.js';
import { prepareRun, runDiff } from '../pipeline/run.js';
import { FORMATS } from '../report/index.js';
import { withResources } from './resources.js';
import { renderOptions } from './terminal.js';

export const MODEL_HELP = 'a folder with model.onnx and config.json, an .onnx file, or owner/name[@revision] of a model on the hub';
export const DTYPE_HELP = `which .onnx file of a folder or of a model on the hub: ${DTYPES.join(', ')} (default: fp32)`;

/** Options that `run` and `demo` share. */
// oxlint-disable-next-line typescript/explicit-function-return-type -- the type is what extra-typings infers
export function withRunOptions(command: Command) {
  return command
    .option('--impl <names>', 'implementations to compare, separated by commas: eager, sdpa, flash, exact, original (default: eager,sdpa,flash)')
    .option('--reference <name>', 'implementation that the others are compared with (default: eager)')
    .option('--prompts <file>', 'prompts: a text file with one a line, or JSONL with "text" or "messages" (a conversation, always put through the chat template)')
    .option('--prompt <text>', 'a prompt; may be given several times', (text: string, texts: string[] | undefined) => [...(texts ?? []), text])
    .option('--chat', "put each prompt through the model's chat template, as one user message, up to where the assistant answers")
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
    .option('--model <path>', MODEL_HELP)
    .option('--dtype <dtype>', DTYPE_HELP)
    .action(async (options) => finish(await run(options))) as unknown as Command;
}

/**
 * Opens the output, checks every input, runs, and writes the report.
 *
 * @throws AttnDiffError
 */
export async function run(options: RawRunOptions): Promise<ExitCode> {
  const config = parseRunOptions(options);
  return withResources(config.output, async ({ output, runner, progress, download }) => {
    const report = await runDiff(await prepareRun(config, download), runner, progress.update);
    progress.stop();
    output.write(FORMATS[config.format](report, renderOptions(config.output !== null)));
    return report.verdict.passed ? EXIT.passed : EXIT.gateFailed;
  });
}

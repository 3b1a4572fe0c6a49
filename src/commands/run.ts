import { Command } from '@commander-js/extra-typings';
import { parseRunOptions, type RawRunOptions, type RunConfig } from '../config/index.js';
import type { ExitCode } from '../errors.js';
import { DTYPES } from '../model/index.js';
import { openCheckpoint } from '../pipeline/checkpoint.js';
import { CONFIG_NAMES, loadConfigFile } from '../pipeline/configFile.js';
import { openRun } from '../pipeline/openRun.js';
import { runDiff } from '../pipeline/run.js';
import { openBaseline } from '../pipeline/savedFile.js';
import { reproFiles, reproText } from '../report/index.js';
import { KEY_FIELDS, PROVIDERS, type Repro } from '../types.js';
import type { Host } from './host.js';
import { withReportOptions } from './reportOptions.js';
import { withResources } from './resources.js';
import { outputPaths, writeReports } from './writeReports.js';
import { say } from './say.js';

export const MODEL_HELP =
  'a folder with model.onnx and config.json, an .onnx file, or owner/name[@revision] of a model on the hub';
export const DTYPE_HELP = `which .onnx file of a folder or of a model on the hub: ${DTYPES.join(', ')} (default: fp32)`;

export const PROVIDER_HELP = `execution provider of implementations that name none (eager@webgpu names one): ${PROVIDERS.join(', ')} (default: cpu)`;

/** Options that `run` and `demo` share. */
// oxlint-disable-next-line typescript/explicit-function-return-type -- the type is what extra-typings infers
export function withRunOptions(command: Command) {
  const own = command
    .option(
      '--config <file>',
      `take options and budgets from a file, ${CONFIG_NAMES[0]} or .yaml; without, from such a file, or the key attn-diff of package.json, in the current folder`,
    )
    .option('--no-config', 'take no such file')
    .option(
      '--unset <keys>',
      'take that file without some of its keys, separated by commas, such as baseline,report',
    )
    .option(
      '--impl <names>',
      'implementations to compare, separated by commas: eager, sdpa, flash, exact, original, each perhaps with a provider and settings of its own, as in flash@webgpu or eager:scores=fp32 (default: eager,sdpa,flash)',
    )
    .option(
      '--reference <name>',
      'implementation that the others are compared with (default: eager)',
    )
    .option('--provider <name>', PROVIDER_HELP)
    .option(
      '--timeout <seconds>',
      'what one step of an implementation may take, after which it has failed; without, no limit',
    )
    .option(
      '--prompts <file>',
      'prompts: a text file with one a line, or JSONL with "text" or "messages" (a conversation, always put through the chat template)',
    )
    .option(
      '--prompt <text>',
      'a prompt; may be given several times',
      (text: string, texts: string[] | undefined) => [...(texts ?? []), text],
    )
    .option(
      '--chat',
      "put each prompt through the model's chat template, as one user message, up to where the assistant answers",
    )
    .option(
      '--random <BxT>',
      'B rows of up to T random tokens instead of prompts; needs no tokenizer',
    )
    .option(
      '--data <file>',
      'prompts for many batches: a file as for --prompts, of which every --batch-size lines become a batch',
    )
    .option('--batch-size <n>', 'rows in a batch of --data (default: 8)')
    .option('--seed <n>', 'seed of --random (default: 0)')
    .option('--length <n>', 'pad, and truncate, every row to n tokens')
    .option(
      '--padding <sides>',
      'padding sides, one batch each (default: left,right); with --past left, with --data or --mask one side, right by default',
    )
    .option(
      '--pack',
      'put prompts one after another into rows of --length, or of twice the longest prompt, as documents that do not see each other',
    )
    .option(
      '--past <n>',
      'run the first n tokens of each row, and then the others with the keys and values of those as past',
    )
    .option(
      '--mask <file>',
      'a 4D mask instead of the causal padding mask: .npy or .safetensors, bool or additive, [batch or 1, heads or 1, length, length]',
    )
    .option(
      '--mask-fill <fill>',
      "what eager's masked scores are filled with: min, -inf or -1e4 (default: min)",
    )
    .option(
      '--precision <p>',
      'what attention is run in: fp32, fp16 or bf16, the lower two emulated with explicit rounding (default: fp32)',
    )
    .option(
      '--scores-precision <p>',
      "what eager rounds its scores to (default: as --precision); fp32 is Hugging Face's remedy for large scores",
    )
    .option('--softmax-precision <p>', "what eager's softmax is computed in (default: fp32)")
    .option('--flash-block <n>', 'keys per tile of the emulated flash kernel (default: 128)')
    .option(
      '--activations <p>',
      'round the result of every floating-point node of the model to bf16 or fp16, as PyTorch does when the model runs in it; in a file that is written in it, of those nodes that the file has in it',
    )
    .option(
      '--causal-alignment <a>',
      'bottom-right or top-left: how queries after a past are held against the keys (default: bottom-right)',
    )
    .option(
      '--shard <i/n>',
      'run the i-th of n parts of the batches; attn-diff merge joins the JSON reports of all parts',
    )
    .option(
      '--resume',
      'with --data: go on from the batches that an interrupted run of the same command kept',
    )
    .option('--heads', 'tell the ranges of every head; an HTML report always does')
    .option('--max-abs <x>', 'fail when |difference| exceeds x on a valid token')
    .option('--min-cosine <x>', 'fail when the cosine similarity of a valid token falls below x')
    .option(
      '--max-ratio <x>',
      "fail when an implementation's error against exact is more than x times that of eager at the run's precision",
    )
    .option(
      '--fail-on <what>',
      'nan: fail when a valid token is NaN or Inf; none: do not (default: nan)',
    )
    .option(
      '--require-kernel',
      'fail when an implementation is not shown to have run the kernel that it asks for',
    )
    .option(
      '--save-repro <folder>',
      'write a model of one layer, its inputs and a script that show the gravest divergence with onnxruntime-node alone',
    )
    .option(
      '--default-budgets <level>',
      'what missing the limits that attn-diff itself sets for each precision is: error, warn or off (default: error)',
    )
    .option(
      '--allow <fields>',
      `with --baseline: in what the two may differ, separated by commas: ${KEY_FIELDS.join(', ')}`,
    );
  return withReportOptions(own);
}

export function runCommand(host: Host): Command {
  return withRunOptions(new Command('run'))
    .description(
      'Run the same padded batches through several attention implementations and compare them layer by layer.',
    )
    .option('--model <path>', MODEL_HELP)
    .option('--dtype <dtype>', DTYPE_HELP)
    .action(async (options) => host.finish(await run(options, host))) as unknown as Command;
}

/**
 * Opens the output, checks every input, runs, and writes the report.
 *
 * @param subcommand `explain` explains every layer that parts, and writes that in place of the tables; `demo` has its model given
 * @throws AttnDiffError
 */
export async function run(
  {
    config: named,
    unset,
    ...options
  }: RawRunOptions & { config?: string | boolean | undefined; unset?: string | undefined },
  host: Host,
  subcommand: 'run' | 'explain' | 'demo' = 'run',
): Promise<ExitCode> {
  const explain = subcommand === 'explain';
  // commander says true where neither --config nor --no-config is given.
  const file = loadConfigFile(named === true ? subcommand !== 'demo' : named);
  const config = parseRunOptions(options, {
    subcommand,
    file,
    unset,
    fileArguments:
      named === false ? ['--no-config'] : typeof named === 'string' ? ['--config', named] : [],
  });
  // Read before anything is opened to be written, since it may be the same file.
  const baseline = config.baseline && openBaseline(config.baseline);
  return withResources(
    host,
    outputPaths(config),
    async ({ outputs, folder, runners, progress, download, signal, keep }) => {
      const prepared = await openRun(config, runners, { baseline, hub: download });
      const checkpoint =
        config.prompts.kind === 'data'
          ? openCheckpoint(checkpointPath(config), prepared, config.resume)
          : null;
      let made: Repro | null = null;
      const measured = await runDiff(prepared, runners, {
        signal,
        onProgress: progress.update,
        ...(config.saveRepro !== null && { onRepro: (repro) => (made = repro) }),
        explainAllLayers: explain,
        done: checkpoint?.done ?? [],
        onResult: (result, done) => {
          checkpoint?.keep(result);
          if (checkpoint) keep({ path: checkpoint.path, done, total: prepared.batches.length });
        },
      });
      progress.stop();
      const code = writeReports(measured, { ...config, baseline }, outputs);
      if (made) folder.write(reproFiles(made));
      if (config.saveRepro !== null) say(reproText(made, config.saveRepro));
      checkpoint?.remove();
      return code;
    },
    config.saveRepro,
  );
}

/** Beside the first report that is a file; of shards that are written to standard output, one for each. */
function checkpointPath({ reports, shard }: RunConfig): string {
  const beside = reports.find(({ path }) => path !== null)?.path;
  return `${beside ?? (shard ? `attn-diff.shard-${shard.index}-of-${shard.count}` : 'attn-diff')}.partial.jsonl`;
}

import { Command, CommanderError } from '@commander-js/extra-typings';
import { benchCommand } from './commands/bench.js';
import { compareCommand } from './commands/compare.js';
import { completionCommand } from './commands/completion.js';
import { demoCommand } from './commands/demo.js';
import { doctorCommand } from './commands/doctor.js';
import { explainCommand } from './commands/explain.js';
import type { Host } from './commands/host.js';
import { historyCommand } from './commands/history.js';
import { initCommand } from './commands/init.js';
import { inspectCommand } from './commands/inspect.js';
import { mergeCommand } from './commands/merge.js';
import { runCommand } from './commands/run.js';
import { say } from './commands/say.js';
import { schemaCommand } from './commands/schema.js';
import { setupCommand } from './commands/setup.js';
import { AttnDiffError, EXIT } from './errors.js';
import { packageVersion } from './pipeline/describe.js';
import { visible } from './printable.js';
import { faultText } from './report/faultText.js';
import { errorText } from './report/index.js';

const EXIT_CODES = `
Exit codes:
  0  passed
  1  the gate failed: a threshold was missed, or a valid token is NaN or Inf
  2  usage or configuration
  3  the model is unreadable or not supported
  4  execution failed or was interrupted`;

/** All commands, with their options. */
export function createProgram(host: Host): Command {
  const program = new Command('attn-diff')
    .description(
      'Compare eager, SDPA and flash attention in Qwen2-family ONNX models, layer by layer.',
    )
    .version(packageVersion(), '-V, --version')
    .addHelpText('after', EXIT_CODES)
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
  for (const command of [
    runCommand(host),
    explainCommand(host),
    demoCommand(host),
    initCommand(host),
    inspectCommand(host),
    benchCommand(host),
    doctorCommand(host),
    setupCommand(host),
    compareCommand(host),
    mergeCommand(host),
    historyCommand(host),
    schemaCommand(),
    completionCommand(),
  ]) {
    program.addCommand(command.copyInheritedSettings(program).addHelpText('after', EXIT_CODES));
  }
  return program;
}

/** Says what is wrong in one line, and what exit code that is. */
export function fail(error: AttnDiffError, { finish }: Host): void {
  say(errorText(error));
  finish(error.exitCode);
}

/** commander has written any help by itself; its complaints are put in words as all others are. */
function endParsing(
  { code, exitCode, message }: CommanderError,
  program: Command,
  host: Host,
): void {
  if (exitCode === 0) return;
  if (code === 'commander.help') return host.finish(EXIT.usage);
  const command = program.commands.find((candidate) => candidate.name() === program.args[0]);
  const name = [program, ...(command ? [command] : [])].map((part) => part.name()).join(' ');
  fail(
    new AttnDiffError('usage', { problem: message.replace(/^error: /, ''), command: name }),
    host,
  );
}

/** Does what the arguments of `attn-diff` say. Whatever goes wrong is told on stderr and in the exit code. */
export async function runProgram(args: readonly string[], host: Host): Promise<void> {
  const program = createProgram(host);
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) endParsing(error, program, host);
    else if (error instanceof AttnDiffError) fail(error, host);
    else {
      process.stderr.write(`attn-diff: ${faultText(error).split('\n').map(visible).join('\n')}\n`);
      host.finish(EXIT.execution);
    }
  }
}

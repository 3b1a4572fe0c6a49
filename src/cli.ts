import { Command, CommanderError } from '@commander-js/extra-typings';
import { benchCommand } from './commands/bench.js';
import { demoCommand } from './commands/demo.js';
import { doctorCommand } from './commands/doctor.js';
import { explainCommand } from './commands/explain.js';
import { inspectCommand } from './commands/inspect.js';
import { runCommand } from './commands/run.js';
import { schemaCommand } from './commands/schema.js';
import { AttnDiffError, EXIT, type ExitCode } from './errors.js';
import { packageVersion } from './pipeline/describe.js';
import { errorText } from './report/index.js';

const EXIT_CODES = `
Exit codes:
  0  passed
  1  the gate failed: a threshold was missed, or a valid token is NaN or Inf
  2  usage or configuration
  3  the model is unreadable or not supported
  4  execution failed or was interrupted`;

function finish(code: ExitCode): void {
  process.exitCode = code;
}

const program = new Command('attn-diff')
  .description('Compare eager, SDPA and flash attention in Qwen2-family ONNX models, layer by layer.')
  .version(packageVersion(), '-V, --version')
  .addHelpText('after', EXIT_CODES)
  .exitOverride()
  .configureOutput({ outputError: () => undefined });

for (const command of [runCommand(finish), explainCommand(finish), demoCommand(finish), inspectCommand(finish), benchCommand(finish), doctorCommand(finish), schemaCommand()]) {
  program.addCommand(command.copyInheritedSettings(program).addHelpText('after', EXIT_CODES));
}

function fail(error: AttnDiffError): void {
  process.stderr.write(`attn-diff: ${errorText(error)}\n`);
  finish(error.exitCode);
}

/** commander has written any help by itself; its complaints are put in words as all others are. */
function endParsing({ code, exitCode, message }: CommanderError): void {
  if (exitCode === 0) return;
  if (code === 'commander.help') return finish(EXIT.usage);
  const command = program.commands.find((candidate) => candidate.name() === program.args[0]);
  const name = [program, ...(command ? [command] : [])].map((part) => part.name()).join(' ');
  fail(new AttnDiffError('usage', { problem: message.replace(/^error: /, ''), command: name }));
}

// A reader that has seen enough (attn-diff run … | head) closes the pipe; that is no fault.
process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
  if (code !== 'EPIPE') fail(new AttnDiffError('output-not-writable', { path: 'standard output', problem: code ?? message }));
});
process.stderr.on('error', () => undefined);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) endParsing(error);
  else if (error instanceof AttnDiffError) fail(error);
  else {
    // A fault of attn-diff itself keeps its stack, and is never mistaken for a verdict.
    process.stderr.write(`${(error as Error).stack ?? String(error)}\n`);
    finish(EXIT.execution);
  }
}

import { Command, CommanderError } from '@commander-js/extra-typings';
import { demoCommand } from './commands/demo.js';
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
  .showSuggestionAfterError()
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'attn-diff: ')) });

for (const command of [runCommand(finish), demoCommand(finish), inspectCommand(finish), schemaCommand()]) {
  program.addCommand(command.copyInheritedSettings(program).addHelpText('after', EXIT_CODES));
}

// A reader that has seen enough (attn-diff run … | head) closes the pipe; that is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? EXIT.passed : EXIT.usage;
  } else if (error instanceof AttnDiffError) {
    process.stderr.write(`attn-diff: ${errorText(error)}\n`);
    process.exitCode = error.exitCode;
  } else {
    // A fault of attn-diff itself keeps its stack, and is never mistaken for a verdict.
    process.stderr.write(`${(error as Error).stack ?? String(error)}\n`);
    process.exitCode = EXIT.execution;
  }
}

import type { Host } from './commands/host.js';
import { AttnDiffError } from './errors.js';
import { fail, runProgram } from './program.js';
import { childRunners } from './runners/childProcess.js';

const host: Host = {
  finish: (code) => {
    process.exitCode = code;
  },
  runners: childRunners,
};

// A reader that has seen enough (attn-diff run … | head) closes the pipe; that is no fault.
process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
  if (code !== 'EPIPE') fail(new AttnDiffError('output-not-writable', { path: 'standard output', problem: code ?? message }), host);
});
process.stderr.on('error', () => undefined);

await runProgram(process.argv.slice(2), host);

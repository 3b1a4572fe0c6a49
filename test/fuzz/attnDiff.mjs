/** Runs the built command in this process, which is most of the speed of a fuzz run. */
import { runProgram } from '../../dist/program.js';
import { inProcessRunners } from '../../dist/runners/inProcess.js';

/** @returns the exit code and what was written; the working folder and the streams are the process's own meanwhile */
export async function runAttnDiff(args, folder) {
  const before = {
    folder: process.cwd(),
    stdout: process.stdout.write,
    stderr: process.stderr.write,
  };
  const written = { stdout: '', stderr: '' };
  let code = 0;
  process.chdir(folder);
  for (const name of ['stdout', 'stderr']) {
    process[name].write = (text) => {
      written[name] += text.toString();
      return true;
    };
  }
  try {
    await runProgram(args, { finish: (given) => (code = given), runners: inProcessRunners });
    return { code, ...written };
  } finally {
    process.chdir(before.folder);
    for (const name of ['stdout', 'stderr']) process[name].write = before[name];
  }
}

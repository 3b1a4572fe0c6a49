// Runs a program of bin/ for a script, and writes to a file the exit code that the program itself decided on: node, and
// what is loaded into it, end with 0 and 1 as well.
//
//   decided.js FILE PROGRAM [arguments of the program]
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [file, program, ...args] = process.argv.slice(2);
try {
  const { decidedExit } = await import(
    pathToFileURL(join(dirname(program), '..', 'dist', 'decidedExit.js')).href
  );
  const code = (await decidedExit(program, args)) ?? 4;
  writeFileSync(file, `${code}`);
  process.exitCode = code;
} catch (error) {
  process.stderr.write(`attn-diff: it cannot start: ${error.message.split('\n')[0]}\n`);
  process.exitCode = 4;
}

// Runs attn-diff for the GitHub action, and writes to a file the exit code that attn-diff itself decided on: node, and
// what is loaded into it, end with 0 and 1 as well.
//
//   decided.js FILE ACTION [arguments of attn-diff]
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [file, action, ...args] = process.argv.slice(2);
try {
  const { decidedExit } = await import(pathToFileURL(join(action, 'dist', 'decidedExit.js')).href);
  const code = (await decidedExit(join(action, 'bin', 'attn-diff.js'), args)) ?? 4;
  writeFileSync(file, `${code}`);
  process.exitCode = code;
} catch (error) {
  process.stderr.write(`attn-diff: it cannot start: ${error.message.split('\n')[0]}\n`);
  process.exitCode = 4;
}

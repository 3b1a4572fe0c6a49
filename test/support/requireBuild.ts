import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Set once it has been said, since each project of the tests comes by here. */
const SAID = 'ATTN_DIFF_BUILD_IS_OLD';

/** Many tests start the built program: says so where there is none, or where it is an old one. */
export default function requireBuild(): void {
  const built = join(ROOT, 'dist', 'cli.js');
  if (!existsSync(built)) throw withoutStack('There is no dist/: run npm run build first.');
  if (newestIn(join(ROOT, 'src')) <= statSync(built).mtimeMs || process.env[SAID]) return;
  process.env[SAID] = '1';
  process.stderr.write('src/ has changed since dist/ was built: run npm run build.\n');
}

/** Where it was thrown helps nobody. */
function withoutStack(message: string): Error {
  return Object.assign(new Error(message), { stack: message });
}

/** When a file below a folder was last changed, in milliseconds since 1970. */
function newestIn(folder: string): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs)
    .reduce((newest, time) => Math.max(newest, time), 0);
}

// What npm runs to make the package from its sources: it builds. Where npm installs globally from git, it runs this
// without having installed what the build needs, and hands its own settings down.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const KEPT = /^npm_config_(?:cache|registry|userconfig|.*proxy|cafile|strict_ssl)$/i;
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name) || KEPT.test(name)));

/** Ends with npm's own exit code where that fails. */
function npm(...args) {
  const { status } = spawnSync('npm', args, { cwd: root, env, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (status !== 0) process.exit(status ?? 1);
}

if (!existsSync(new URL('../node_modules/typescript', import.meta.url))) npm('ci', '--ignore-scripts', '--no-audit', '--no-fund');
npm('run', '--silent', 'build');

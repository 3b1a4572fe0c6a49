import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What npm run hands down of this project's own configuration, and settings of onnxruntime-node's install script. */
const OF_THIS_PROJECT =
  /^(?:npm_(?:package|lifecycle|command|execpath|node_execpath|config_(?:onnxruntime|local_prefix|prefix|ignore_scripts))|onnxruntime_node|init_cwd)/i;

/**
 * Runs npm, or npx, in a folder as if it had been typed there.
 *
 * @throws Error with what it wrote, where it fails
 */
export function npm(
  command: 'npm' | 'npx',
  args: readonly string[],
  folder: string,
): { stdout: string; stderr: string } {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !OF_THIS_PROJECT.test(name)),
  );
  const { stdout, stderr, status } = spawnSync(command, args, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...env, NO_COLOR: '1', GITHUB_ACTIONS: '' },
    shell: process.platform === 'win32',
  });
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`);
  return { stdout, stderr };
}

/** What a packed tarball is made of, and what `prepack` needs. */
const PARTS = [
  'package.json',
  'package-lock.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'THIRD-PARTY-LICENSES.md',
  'config.schema.json',
  'bin',
  'dist',
  'docs',
  'examples',
  'scripts',
  'fixtures/qwen2-optimum',
];

/** A copy of this project to pack, as it is after `prepack`: that builds, and other tests run what is built. */
export function staged(folder: string): string {
  for (const part of PARTS) {
    mkdirSync(dirname(join(folder, part)), { recursive: true });
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  }
  execFileSync(process.execPath, ['scripts/shrinkwrap.js'], { cwd: folder });
  return folder;
}

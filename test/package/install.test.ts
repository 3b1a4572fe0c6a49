import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { npm, ROOT } from './npm.js';

/** From npm's cache it takes about ten seconds; without, it downloads onnxruntime-node. */
const TIMEOUT = 300_000;

const folder = mkdtempSync(join(tmpdir(), 'attn-diff-install-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function registryAnswers(): boolean {
  try {
    npm('npm', ['view', 'onnxruntime-node@1.30.0', 'version', '--fetch-retries=0', '--fetch-timeout=15000'], folder);
    return true;
  } catch {
    return false;
  }
}

test('the README\'s install commands give a working demo in an empty folder', { timeout: TIMEOUT }, ({ skip }) => {
  if (!registryAnswers()) skip('the npm registry cannot be reached');

  npm('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], ROOT);
  const [tarball] = readdirSync(folder);

  npm('npm', ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', `./${tarball!}`], folder);

  const demo = npm('npx', ['--no', 'attn-diff', 'demo'], folder);
  expect(demo.stderr.replaceAll(/^npm warn.*\n/gm, '')).toBe('');
  expect(demo.stdout).toContain('\nPASSED: ');
});

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { npm, ROOT, staged } from './npm.js';

/** From npm's cache it takes about ten seconds; without, it downloads onnxruntime-node. */
const TIMEOUT = 300_000;

/** As someone writes it who scripts attn-diff. */
const SCRIPT = `
import { AttnDiffError, diffAttention, EXIT, type DiffOptions, type DiffReport, type Row } from 'attn-diff';

const options: DiffOptions = { model: 'm', impl: ['eager', 'flash'], random: '2x8', length: 0 };
const worst = ({ rows }: DiffReport): Row | undefined => rows.find(({ nan }) => nan > 0);

// @ts-expect-error -- a number is no text
const wrong: DiffOptions = { model: 'm', length: '8' };
try {
  console.log(worst(await diffAttention(options)));
} catch (error) {
  if (error instanceof AttnDiffError) console.log(\`\${error.code}: \${error.exitCode === EXIT.usage ? 2 : wrong}\`);
}
`;

const folder = mkdtempSync(join(tmpdir(), 'attn-diff-install-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function registryAnswers(): boolean {
  try {
    npm(
      'npm',
      ['view', 'onnxruntime-node@1.30.0', 'version', '--fetch-retries=0', '--fetch-timeout=15000'],
      folder,
    );
    return true;
  } catch {
    return false;
  }
}

test(
  "the README's install commands give a working demo and a typed API in an empty folder",
  { timeout: TIMEOUT },
  ({ skip }) => {
    if (!registryAnswers()) skip('the npm registry cannot be reached');

    npm(
      'npm',
      ['pack', '--ignore-scripts', '--pack-destination', folder],
      staged(join(folder, 'clone')),
    );
    const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));

    npm(
      'npm',
      [
        'install',
        '--ignore-scripts',
        '--prefer-offline',
        '--no-audit',
        '--no-fund',
        `./${tarball!}`,
      ],
      folder,
    );

    const demo = npm('npx', ['--no', 'attn-diff', 'demo', '--report', 'html=page.html'], folder);
    expect(demo.stderr.replaceAll(/^npm warn.*\n/gm, '')).toBe('');
    expect(demo.stdout).toContain('\nPASSED: ');
    expect(readFileSync(join(folder, 'page.html'), 'utf8')).toContain('@observablehq/plot');

    writeFileSync(join(folder, 'script.mts'), SCRIPT);
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    // Without skipLibCheck, so that the declarations themselves are checked.
    execFileSync(
      process.execPath,
      [
        tsc,
        '--strict',
        '--module',
        'nodenext',
        '--target',
        'es2022',
        '--lib',
        'es2022,dom',
        '--types',
        '',
        '--outDir',
        'out',
        'script.mts',
      ],
      { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] },
    );
    expect(
      execFileSync(process.execPath, ['out/script.mjs'], { cwd: folder, encoding: 'utf8' }),
    ).toBe('bad-option: 2\n');
  },
);

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '../docs/documents.js';
// @ts-expect-error scripts are plain JavaScript
import { makeModel } from '../../scripts/gpu/makeModel.js';
import { TestFolder } from '../support/cli.js';

const folder = new TestFolder();
const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync('bash', [join(ROOT, 'scripts/gpu/run.sh'), ...args], { encoding: 'utf8' });

it('names every part that is missing or damaged, and unpacks nothing', () => {
  const sums = ['00', '01', '02'].map((name) => {
    const content = Buffer.from(`part ${name}`);
    if (name !== '01')
      writeFileSync(
        join(folder.path(), `attn-diff-gpu.part${name}`),
        name === '02' ? 'other' : content,
      );
    return `${createHash('sha256').update(content).digest('hex')}  attn-diff-gpu.part${name}\n`;
  });
  writeFileSync(join(folder.path(), 'attn-diff-gpu.sha256'), sums.join(''));
  const { status, stdout, stderr } = run(folder.path(), join(folder.path(), 'out'));
  expect(status).toBe(1);
  expect(stdout).toBe('');
  expect(stderr).toContain('part01 is missing');
  expect(stderr).toContain('part02 is damaged');
  expect(stderr).not.toContain('part00');
});

it.each([
  [['.'], 'run.sh PARTS OUT'],
  [['.', 'out', '--limit', '8m'], '--limit 8m'],
  [['.', 'out', '--provider', 'gpu'], '--provider gpu'],
])('refuses %j in one line', (args, words) => {
  const { status, stderr } = run(...args);
  expect(status).toBe(2);
  expect(stderr.trim().split('\n')).toEqual([expect.stringContaining(words)]);
});

it('makes a model whose attention is recognised and whose rebuilding changes nothing', () => {
  const shape = {
    layers: 2,
    hidden: 64,
    heads: 4,
    kvHeads: 2,
    headDim: 16,
    intermediate: 96,
    vocabulary: 128,
  };
  const model = makeModel(join(folder.path(), 'model'), shape);
  const args = [
    'run',
    '--no-config',
    '--model',
    model,
    '--random',
    '2x8',
    '--padding',
    'left',
    '--impl',
    'eager,flash,original',
    '--format',
    'json',
  ];
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(ROOT, 'bin/attn-diff.js'), ...args],
    { encoding: 'utf8' },
  );
  expect(status).toBe(0);
  const report = JSON.parse(stdout) as {
    model: object;
    findings: { implementation: string; code: string }[];
    rows: { tap: string; implementation: string; exactMaxAbs: number }[];
  };
  expect(report.model).toMatchObject({
    layers: 2,
    heads: 4,
    kvHeads: 2,
    headDim: 16,
    attention: 'decomposed',
  });
  expect(report.findings).toContainEqual(
    expect.objectContaining({ implementation: 'original', code: 'identical' }),
  );
});

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { ROOT } from '../docs/documents.js';
import { exec } from '../support/cli.js';
import { fixture } from '../support/fixtures.js';

test('a program that node is given on its command line is not run again by the processes that run models', async () => {
  // Ends at once where it is run again, so that a fault here starts no more than one process.
  const program = `if (process.env.AGAIN) process.exit(9); process.env.AGAIN = '1';
const { diffAttention } = await import(${JSON.stringify(pathToFileURL(join(ROOT, 'dist', 'index.js')).href)});
const report = await diffAttention({ model: ${JSON.stringify(fixture('qwen2-optimum'))}, random: '1x4', padding: ['right'], impl: ['eager', 'eager'] });
console.log(report.verdict.passed);`;
  expect(await exec(process.execPath, ['--input-type=module', '-e', program])).toMatchObject({
    code: 0,
    stdout: 'true\n',
  });
});

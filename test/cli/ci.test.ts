import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { reportSchema } from '../../src/report/schema.js';
import { TestFolder } from '../support/cli.js';
import { runInProcess } from '../support/inProcess.js';

const folder = new TestFolder();

test('in GitHub Actions a JSON report stays whole, with annotations beside it and the summary appended', async () => {
  const summary = await folder.write('summary.md', 'before\n');
  const env = { CI: 'true', GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: summary };
  const { exitCode, stdout, stderr, left } = await runInProcess(
    [
      'run',
      '--model',
      'fixtures/qwen2-eager-inf',
      '--impl',
      'original,eager',
      '--padding',
      'left',
      '--format',
      'json',
    ],
    undefined,
    env,
  );
  expect(exitCode).toBe(1);
  expect(reportSchema.parse(JSON.parse(stdout)).verdict.passed).toBe(false);
  expect(stderr).toMatch(
    /^::error title=attn-diff%3A non-finite%3A original::.*\n::warning .*\n::notice title=attn-diff::FAILED: .*\n$/,
  );
  expect(await readFile(summary, 'utf8')).toMatch(
    /^before\n\n<!-- attn-diff run --model .* -->\n## ✗ attn-diff: FAILED\n/,
  );
  expect(left).toEqual([]);
});

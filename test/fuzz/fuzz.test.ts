import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/** A few of each target; `npm run fuzz -- 10000` is for more. */
const MUTANTS = '130';

test('no mutant of a file throws, hangs, or passes though the model is broken', () => {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [fileURLToPath(new URL('run.mjs', import.meta.url)), MUTANTS],
    { encoding: 'utf8' },
  );
  expect(stderr).toBe('');
  expect(stdout).toMatch(new RegExp(`^${MUTANTS} mutants, 0 failures$`, 'm'));
  expect(status).toBe(0);
});

test('the fuzz target refuses to run no mutant at all', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    [fileURLToPath(new URL('run.mjs', import.meta.url)), '0'],
    { encoding: 'utf8' },
  );
  expect(status).toBe(2);
  expect(stderr).toContain('how many mutants');
});

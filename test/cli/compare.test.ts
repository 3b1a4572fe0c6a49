import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/errors.js';
import { baselineJson, FORMATS } from '../../src/report/index.js';
import { sampleReport } from '../report/sample.js';
import { TestFolder } from '../support/cli.js';
import { runInProcess } from '../support/inProcess.js';

const folder = new TestFolder();
const worse = sampleReport({
  edit: (row) =>
    row.implementation === 'flash' && row.kind === 'valid' ? { ...row, relL2: 1e-3 } : row,
});
const written = (name: string, text: string): string => {
  const path = folder.path(name);
  writeFileSync(path, text);
  return path;
};
const A = written('a.json', FORMATS.json(sampleReport(), { width: 80, color: false }));
const B = written('b.json', FORMATS.json(worse, { width: 80, color: false }));
const BASE = written('base.json', baselineJson(sampleReport()));

describe('attn-diff compare', () => {
  it('runs no model, and fails only where it is asked to', async () => {
    expect(await runInProcess(['compare', A, B])).toMatchObject({
      exitCode: EXIT.passed,
      stderr: '',
      left: [],
    });
    const { exitCode, stdout } = await runInProcess(['compare', BASE, B, '--max-regression', '2x']);
    expect(exitCode).toBe(EXIT.gateFailed);
    expect(stdout).toMatch(/^FAILED: 1 of \d+ checks failed\.$/m);
    expect(stdout).toContain('✗ regression, flash: relative L2 is 0.00100 at ');
    expect((await runInProcess(['compare', B, BASE, '--max-regression', '2'])).exitCode).toBe(
      EXIT.passed,
    );
  });

  it('writes its formats, to a file too', async () => {
    const output = folder.path('out.md');
    expect(
      await runInProcess(['compare', A, A, '--format', 'markdown', '--output', output]),
    ).toMatchObject({ exitCode: EXIT.passed, stdout: '' });
    const { stdout } = await runInProcess(['compare', A, B, '--format', 'json']);
    expect(JSON.parse(stdout)).toMatchObject({ schema: 'attn-diff/compare/v1', identical: false });
  });

  it.each([
    [[], 'missing required argument'],
    [[A], 'missing required argument'],
    [[A, '/nowhere.json'], '/nowhere.json: no run can be read from it: no such file or folder'],
    [[written('cut.json', '{"schema":'), A], 'not JSON'],
    [[A, B, '--format', 'csv'], '--format "csv"'],
    [[A, B, '--max-regression', '0'], '--max-regression "0"'],
    [[A, B, '--output', '/nowhere/x'], '/nowhere/x: cannot be written'],
    [
      [A, B, '--output', `${folder.root}/./b.json`],
      'b.json": it is one of the files that are compared',
    ],
  ])('%j is refused in one line', async (args, problem) => {
    const { exitCode, stdout, stderr } = await runInProcess(['compare', ...args]);
    expect({ exitCode, stdout }).toEqual({ exitCode: EXIT.usage, stdout: '' });
    expect(stderr).toMatch(/^attn-diff: [^\n]+\.\n$/);
    expect(stderr).toContain(problem);
  });
});

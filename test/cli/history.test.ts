import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readHistory } from '../../src/report/index.js';
import { TestFolder } from '../support/cli.js';
import { fixture } from '../support/fixtures.js';
import { runInProcess } from '../support/inProcess.js';

const folder = new TestFolder();
const RUN = [
  'run',
  '--random',
  '2x8',
  '--padding',
  'left',
  '--impl',
  'original,eager,flash',
  '--output',
  '/dev/null',
];

describe('attn-diff run --history', () => {
  it('adds a line for each run, which attn-diff history shows', async () => {
    const path = folder.path('runs.jsonl');
    const run = (model: string, ...more: string[]): ReturnType<typeof runInProcess> =>
      runInProcess([...RUN, '--model', fixture(model), '--history', path, ...more]);
    expect((await run('qwen2-head64', '--label', 'step-1')).exitCode).toBe(0);
    appendFileSync(path, '{"schema":"attn-diff/hist');
    expect((await run('qwen2-eager-inf')).exitCode).toBe(1);

    const { runs, torn } = readHistory(readFileSync(path, 'utf8'), path);
    expect(torn).toEqual([2]);
    expect(runs.map(({ label, passed, failedChecks }) => [label, passed, failedChecks])).toEqual([
      ['step-1', true, 0],
      [fixture('qwen2-eager-inf'), false, 1],
    ]);
    expect(runs[1]!.implementations[0]).toMatchObject({
      name: 'original',
      local: { relL2: 0 },
      accumulated: { relL2: NaN, layer: 1 },
      effect: { loss: NaN },
      faults: expect.arrayContaining(['fully-masked-nan']) as unknown,
    });
    expect(Math.abs(Date.parse(runs[1]!.time) - Date.now())).toBeLessThan(60_000);

    const shown = await runInProcess(['history', path]);
    expect([shown.exitCode, shown.stderr]).toEqual([
      0,
      `attn-diff: ${path}:2: this line was cut off while it was written, and is left out.\n`,
    ]);
    expect(shown.stdout).toMatch(/^original +[▁-█]×$/m);
    expect(shown.stdout).toContain('the verdict turned to FAILED: 1 check');

    const output = folder.path('history.csv');
    expect(
      await runInProcess(['history', path, '--format', 'csv', '--last', '1', '--output', output]),
    ).toMatchObject({ exitCode: 0, stdout: '' });
    expect(readFileSync(output, 'utf8').split('\r\n')).toHaveLength(5);
  });

  it('adds none where there is no verdict, and leaves no empty file', async () => {
    const path = folder.path('none.jsonl');
    expect(
      (await runInProcess([...RUN, '--model', folder.path('missing'), '--history', path])).exitCode,
    ).toBe(3);
    expect(existsSync(path)).toBe(false);
  });

  it('is opened before the model is', async () => {
    const result = await runInProcess([
      ...RUN,
      '--model',
      folder.path('missing'),
      '--history',
      folder.path('nowhere', 'h.jsonl'),
    ]);
    expect(result).toMatchObject({ exitCode: 2, stdout: '' });
    expect(result.stderr).toContain('nowhere/h.jsonl: cannot be written');
  });
});

describe('attn-diff history', () => {
  it('refuses what is none', async () => {
    const path = await folder.write('none.txt', '# Title\n');
    for (const [args, says] of [
      [[path], `${path}:1: it is no history`],
      [[folder.path('missing')], 'no such file or folder'],
      [[], "missing required argument 'file'"],
    ] as const) {
      const { exitCode, stdout, stderr } = await runInProcess(['history', ...args]);
      expect([exitCode, stdout]).toEqual([2, '']);
      expect(stderr).toContain(says);
      expect(stderr).toMatch(/^attn-diff: [^\n]+\n$/);
    }
  });
});

import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/errors.js';
import { benchSchema } from '../../src/report/benchSchema.js';
import { call, expectRefusal, run, TestFolder } from '../support/cli.js';
import { fixture } from '../support/fixtures.js';

const folder = new TestFolder();
const MODEL = ['bench', '--model', fixture('qwen2-optimum')];
const SHORT = [...MODEL, '--lengths', '8,16', '--repeat', '2'];

describe('attn-diff bench', () => {
  it('prints a table', async () => {
    const { code, stdout, stderr, left } = await run(
      [...SHORT, '--impl', 'original,flash,eager:precision=bf16'],
      { env: { NO_COLOR: '1', COLUMNS: '100' } },
    );
    expect({ code, stderr, left }).toEqual({ code: EXIT.passed, stderr: '', left: [] });
    const cells = stdout.split('\n').map((line) => line.trim().split(/ {2,}/));
    expect(
      cells
        .filter(([first]) => first === '8' || first === '16')
        .map(([length, name, , , , ratio]) => [length, name, ratio]),
    ).toEqual([
      ['8', 'original*', '1.00'],
      ['16', 'original*', '1.00'],
    ]);
    expect(cells.filter(([first]) => first === 'flash').map(([, kernel]) => kernel)).toContain(
      'GroupQueryAttention (flash) · fp32',
    );
    expect(stdout).toMatch(/^! The precision of eager:precision=bf16 is emulated/m);
  });

  it('writes JSON to a file: every process has memory of its own', async () => {
    const path = folder.path('bench.json');
    const { code, stdout, stderr, left } = await run([
      ...SHORT,
      '--impl',
      'sdpa',
      '--batch',
      '2',
      '--format',
      'json',
      '--output',
      path,
    ]);
    expect({ code, stdout, stderr, left }).toEqual({
      code: EXIT.passed,
      stdout: '',
      stderr: '',
      left: [],
    });
    const { rows, baseline } = benchSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    expect(baseline).toBe('original');
    expect(
      rows.map(({ length, implementation, proof, failure }) => ({
        length,
        implementation,
        proof,
        failure,
      })),
    ).toEqual(
      [8, 16].flatMap((length) =>
        ['original', 'sdpa'].map((implementation) => ({
          length,
          implementation,
          proof: 'confirmed',
          failure: null,
        })),
      ),
    );
    // The model's file alone takes 1 MiB; a process with nothing but it does not take a GiB.
    for (const { peakMiB } of rows)
      expect(Number(peakMiB) > 1 && Number(peakMiB) < 1024).toBe(true);
  });

  it.each<[string, string[], RegExp]>([
    ['no model', ['bench'], /^attn-diff: --model: it is missing\. Give a model folder/],
    [
      'an unknown implementation',
      [...MODEL, '--impl', 'xformers'],
      /--impl "xformers": there is no such implementation/,
    ],
    [
      'a length that is no number',
      [...MODEL, '--lengths', '8,long'],
      /--lengths "8,long": it is not a whole number\. Give whole numbers of tokens/,
    ],
    [
      'a length beyond the positions',
      [...MODEL, '--lengths', '8,257'],
      /--lengths "257": the model has 256 positions\. Give at most 256/,
    ],
    ['no passes', [...MODEL, '--repeat', '0'], /--repeat "0": it is not between 1 and \d+/],
    [
      'an option of run',
      [...MODEL, '--prompt', 'a'],
      /unknown option '--prompt'.*See attn-diff bench --help\./,
    ],
    [
      'a provider that is not there',
      [...MODEL, '--provider', 'dml'],
      /the execution provider "dml" cannot be used here/,
    ],
    [
      'an output that cannot be written',
      [...MODEL, '--output', folder.path('none', 'x')],
      /cannot be written/,
    ],
  ])('refuses %s', async (_name, args, says) => expectRefusal(await call(args), EXIT.usage, says));

  it('refuses a kernel that cannot be built, and a model that is not there', async () => {
    expectRefusal(
      await call([...SHORT, '--impl', 'eager:window=3']),
      EXIT.model,
      /eager:window=3 cannot be built/,
    );
    expectRefusal(
      await call(['bench', '--model', '/nowhere']),
      EXIT.model,
      /\/nowhere: no such file or folder/,
    );
  });
});

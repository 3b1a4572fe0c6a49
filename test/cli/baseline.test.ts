import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/errors.js';
import { readReport } from '../../src/report/index.js';
import { sampleShard } from '../report/sample.js';
import { TestFolder } from '../support/cli.js';
import { fixture } from '../support/fixtures.js';
import { runInProcess, type InProcessResult } from '../support/inProcess.js';

const folder = new TestFolder();
const RUN = [
  'run',
  '--model',
  fixture('qwen2-optimum'),
  '--impl',
  'eager,flash',
  '--random',
  '2x12',
  '--padding',
  'right',
];
const BASE = folder.path('base.json');
const REPORT = folder.path('report.json');
const saved = await runInProcess([...RUN, '--save-baseline', BASE, '--report', `json=${REPORT}`]);
const text = readFileSync(BASE, 'utf8');

/** A baseline of which one number of flash is other than it was. */
function edited(name: string, edit: (row: Record<string, unknown>) => object): string {
  const path = folder.path(name);
  const document = JSON.parse(text) as { rows: Record<string, unknown>[] };
  const rows = document.rows.map((row) =>
    row['implementation'] === 'flash' && row['scope'] === 'local' && row['layer'] === 2
      ? { ...row, ...edit(row) }
      : row,
  );
  writeFileSync(path, JSON.stringify({ ...document, rows }));
  return path;
}

function expectOneLine(
  { exitCode, stderr, stdout, left }: InProcessResult,
  ...says: string[]
): void {
  expect(exitCode).toBe(EXIT.usage);
  expect(stderr).toMatch(/^attn-diff: [^\n]+\.\n$/);
  for (const part of says) expect(stderr).toContain(part);
  expect({ stdout, left }).toEqual({ stdout: '', left: [] });
}

describe('--save-baseline', () => {
  it('writes the numbers of the run, says so, and changes nothing else', () => {
    expect(saved).toMatchObject({
      exitCode: EXIT.passed,
      stderr: `attn-diff: saved the baseline ${BASE}.\n`,
      left: [],
    });
    expect(readReport(readFileSync(REPORT, 'utf8'), REPORT).command).toEqual(RUN);
  });

  it('saves a run whose gate fails, in the place of what it was held against', async () => {
    const path = edited('update.json', () => ({ relL2: 1e-9, maxAbs: 1e-9 }));
    expect(
      await runInProcess([...RUN, '--max-abs', '0', '--baseline', path, '--save-baseline', path]),
    ).toMatchObject({
      exitCode: EXIT.gateFailed,
      stderr: `attn-diff: saved the baseline ${path}.\n`,
    });
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it('does not save a run that compared nothing', async () => {
    const path = folder.path('nothing.json');
    const { exitCode, stderr } = await runInProcess([
      ...RUN.with(4, 'eager'),
      '--save-baseline',
      path,
    ]);
    expect(exitCode).toBe(EXIT.gateFailed);
    expect(stderr).toContain('did not save the baseline');
    expect(existsSync(path)).toBe(false);
  });
});

describe('--baseline', () => {
  it.each([
    ['the file of --save-baseline', BASE],
    ['a whole report', REPORT],
  ])('%s passes the same run', async (_name, path) => {
    const { exitCode, stdout } = await runInProcess([
      ...RUN,
      '--baseline',
      path,
      '--max-regression',
      '1x',
    ]);
    expect(exitCode).toBe(EXIT.passed);
    expect(stdout).toContain(`held against ${path}`);
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain('nothing regressed from');
  });

  it('fails where a number has grown, and names it', async () => {
    const path = edited('less.json', ({ maxAbs }) => ({ maxAbs: Number(maxAbs) / 1e6 }));
    const { exitCode, stdout } = await runInProcess([...RUN, '--baseline', path]);
    expect(exitCode).toBe(EXIT.gateFailed);
    const words = stdout.replaceAll(/\s+/g, ' ');
    expect(words).toContain('1 of ');
    expect(words).toContain('regression, flash: max|Δ| is ');
    expect(words).toContain(' at layer 2, attention, local, batch right, where ');
    expect(words).toMatch(/Smallest factor that passes: --max-regression \S+x;/);
  });

  it('of another run is refused before anything runs, and let pass by name', async () => {
    const path = folder.path('other.json');
    writeFileSync(
      path,
      text.replace('"onnxruntime": "', '"onnxruntime": "0.').replace('"cpu": "', '"cpu": "Other '),
    );
    const started = await runInProcess([...RUN, '--baseline', path]);
    expectOneLine(
      started,
      path,
      'the processor: Other ',
      'onnxruntime too',
      '--allow cpu,onnxruntime',
    );
    expect(
      (await runInProcess([...RUN, '--baseline', path, '--allow', 'cpu,onnxruntime'])).exitCode,
    ).toBe(EXIT.passed);
    expectOneLine(
      await runInProcess([...RUN, '--seed', '1', '--baseline', BASE]),
      'the tokens of batch right (SHA-256)',
      '--allow batches',
    );
    expectOneLine(
      await runInProcess([...RUN, '--mask-fill=-inf', '--baseline', BASE]),
      'the settings of eager',
      'fill=-inf',
    );
    expectOneLine(
      await runInProcess([...RUN.with(2, fixture('qwen2-eager-inf')), '--baseline', BASE]),
      'the model (SHA-256)',
      '--allow model',
    );
  });

  it('of another kernel is refused after the run, with nothing written', async () => {
    const path = folder.path('kernel.json');
    const output = folder.path('unwritten.txt');
    writeFileSync(path, text.replace('GroupQueryAttention (flash)', 'GroupQueryAttention (naive)'));
    expectOneLine(
      await runInProcess([...RUN, '--baseline', path, '--save-baseline', path, '--output', output]),
      'the kernel of flash: GroupQueryAttention (naive) there, GroupQueryAttention (flash) here',
      '--allow kernel',
    );
    expect(existsSync(output)).toBe(false);
    expect(readFileSync(path, 'utf8')).toContain('(naive)');
  });

  it('of another kernel leaves the batches of --data to the run that lets it pass', async () => {
    const path = folder.path('data.json');
    const output = folder.path('data.txt');
    const data = [
      'run',
      '--model',
      fixture('qwen2-optimum'),
      '--data',
      fixture('reference', 'data.jsonl'),
      '--batch-size',
      '24',
      '--length',
      '8',
      '--impl',
      'eager,flash',
      '--output',
      output,
    ];
    await runInProcess([...data, '--save-baseline', path]);
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replace(
        'GroupQueryAttention (flash)',
        'GroupQueryAttention (naive)',
      ),
    );
    expectOneLine(await runInProcess([...data, '--baseline', path]), '--allow kernel');
    expect(
      (await runInProcess([...data, '--baseline', path, '--allow', 'kernel', '--resume'])).exitCode,
    ).toBe(EXIT.passed);
    expect(readFileSync(output, 'utf8').replaceAll(/\s+/g, ' ')).toContain(
      'Let pass by --allow kernel: the kernel of flash (GroupQueryAttention (naive) there, GroupQueryAttention (flash) here).',
    );
    expect(existsSync(`${output}.partial.jsonl`)).toBe(false);
  });

  it.each([
    ['that is not there', () => folder.path('nowhere.json'), ['no such file']],
    ['that is no JSON', () => fixture('qwen2-optimum', 'model.onnx'), ['not JSON']],
    [
      'that is one part of a run',
      () => {
        const path = folder.path('part.json');
        writeFileSync(
          path,
          readFileSync(REPORT, 'utf8').replace(
            '"shard": null',
            `"shard": ${JSON.stringify(sampleShard())}`,
          ),
        );
        return path;
      },
      ['part 1 of 3'],
    ],
  ])('%s is refused', async (_name, path, says) => {
    expectOneLine(await runInProcess([...RUN, '--baseline', path()]), path(), ...says);
  });
});

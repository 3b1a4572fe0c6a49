import { spawnSync } from 'node:child_process';
import { readdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type * as Api from '../src/index.js';
import { jsonReport } from '../src/report/json.js';
import { readReport } from '../src/report/read.js';
import type { DiffReport } from '../src/types.js';
import { exec, outcome, start, TestFolder } from './support/cli.js';
import { fixture } from './support/fixtures.js';
import { runInProcess } from './support/inProcess.js';

/** As it is built: models run in processes that load what lies beside it. */
const BUILT = new URL('../dist/index.js', import.meta.url).href;
const { AttnDiffError, diffAttention } = (await import(BUILT)) as typeof Api;

const MODEL = fixture('qwen2-head64');
const LONG = { model: fixture('qwen2-optimum'), random: '64x256' } as const;
const folder = new TestFolder();

function childProcesses(): string {
  return spawnSync('pgrep', ['-P', `${process.pid}`, 'node'], { encoding: 'utf8' }).stdout;
}

/** @returns whether anything was written since */
function listen(): () => boolean {
  const spies = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write')];
  onTestFinished(() => spies.forEach((spy) => spy.mockRestore()));
  return () => spies.some((spy) => spy.mock.calls.length > 0);
}

/** Asserts that a call leaves neither processes, temporary files nor listeners. */
async function expectTidy(call: () => Promise<unknown>): Promise<void> {
  const listeners = (): number[] =>
    ['exit', 'SIGINT', 'SIGTERM', 'SIGHUP'].map((name) => process.listenerCount(name));
  const files = readdirSync(folder.root);
  const before = { processes: childProcesses(), listeners: listeners() };
  vi.stubEnv('TMPDIR', folder.root);
  await call();
  vi.unstubAllEnvs();
  expect(readdirSync(folder.root)).toEqual(files);
  expect(listeners()).toEqual(before.listeners);
  // It was killed; the system takes note of that a moment later.
  await expect.poll(childProcesses).toBe(before.processes);
}

describe('diffAttention', () => {
  /** The report of the command, as JSON. */
  let first: string;

  it('gives the report of the command, says how far it is, and writes nothing', async () => {
    const stages: string[] = [];
    const written = listen();
    let report!: DiffReport;
    await expectTidy(async () => {
      report = await diffAttention({
        model: MODEL,
        random: '2x12',
        padding: ['left'],
        impl: ['eager', 'flash'],
        maxAbs: 1e-9,
        seed: 3,
        onProgress: ({ stage, done, total }) => stages.push(`${stage} ${done}/${total}`),
      });
    });
    expect(written()).toBe(false);
    expect(stages.at(-1)).toBe('done 5/5');
    const { exitCode, stdout } = await runInProcess([
      'run',
      '--model',
      MODEL,
      '--random',
      '2x12',
      '--padding',
      'left',
      '--impl',
      'eager,flash',
      '--max-abs',
      '1e-9',
      '--seed',
      '3',
      '--format',
      'json',
    ]);
    expect(exitCode).toBe(1);
    const timeless = (made: DiffReport): string =>
      jsonReport({ ...made, timing: { loadSeconds: 0, runSeconds: 0 } });
    expect(timeless(report)).toBe(timeless(readReport(stdout, 'stdout')));
    expect(report.verdict.passed).toBe(false);
    first = stdout;
  });

  it('holds the run against a baseline, and takes what a configuration file says', async () => {
    const options = {
      model: MODEL,
      random: '2x12',
      padding: ['left'],
      impl: ['eager', 'flash'],
      seed: 3,
    } as const;
    const saved = await folder.write('saved.json', first);
    const config = await folder.write(
      'attn.yaml',
      `model: elsewhere\nbudgets: [{ metric: flips, max: 0 }]\n`,
    );
    const report = await diffAttention({ ...options, config, baseline: saved, maxRegression: 2 });
    expect(report.command).toEqual([
      'run',
      '--config',
      config,
      '--model',
      MODEL,
      '--impl',
      'eager,flash',
      '--random',
      '2x12',
      '--seed',
      '3',
      '--padding',
      'left',
      '--baseline',
      saved,
      '--max-regression',
      '2',
    ]);
    expect(report.baseline).toMatchObject({ path: saved, factor: 2, explained: { count: 0 } });
    expect(
      report.verdict.checks.filter(
        ({ name, source }) => name === 'flips' && source.kind === 'config',
      ),
    ).toHaveLength(1);
    expect(report.verdict.checks.some(({ name }) => name === 'regression')).toBe(true);
    await expect(diffAttention({ ...options, seed: 4, baseline: saved })).rejects.toMatchObject({
      code: 'baseline-mismatch',
    });
    await expect(
      diffAttention({ model: MODEL, config: true } as unknown as Api.DiffOptions),
    ).rejects.toMatchObject({ code: 'bad-option', args: { option: 'config' } });
  });

  it('throws what the command would end with', async () => {
    await expect(diffAttention({ model: folder.path('nothing') })).rejects.toMatchObject({
      name: 'AttnDiffError',
      code: 'model-not-found',
      exitCode: 3,
    });
    await expect(diffAttention({ model: MODEL, batchSize: 2 })).rejects.toBeInstanceOf(
      AttnDiffError,
    );
  });

  it('ends where its signal aborts, with the reason of that', async () => {
    const reason = new Error('enough');
    const controller = new AbortController();
    const seen: string[] = [];
    const work = (): Promise<DiffReport> =>
      diffAttention({
        ...LONG,
        signal: controller.signal,
        onProgress: ({ stage }) => {
          seen.push(stage);
          // A moment later the process that runs the model is there.
          if (seen.length === 1) setTimeout(() => controller.abort(reason), 100);
        },
      });
    await expectTidy(() => expect(work()).rejects.toBe(reason));
    expect(seen).not.toContain('done');
    await expect(diffAttention({ ...LONG, signal: controller.signal })).rejects.toBe(reason);
  });

  it('ends where the caller fails while it is told of a step', async () => {
    const onProgress = (): never => {
      throw new Error('the caller is at fault');
    };
    await expectTidy(() =>
      expect(diffAttention({ ...LONG, onProgress })).rejects.toThrow('the caller is at fault'),
    );
  });
});

describe.skipIf(process.platform === 'win32')('a program that ends while models run', () => {
  const program = (end: string): string => `
    import { spawnSync } from 'node:child_process';
    import { diffAttention } from ${JSON.stringify(BUILT)};
    const children = () => spawnSync('pgrep', ['-P', String(process.pid), 'node'], { encoding: 'utf8' }).stdout.trim();
    const end = () => { if (children() === '') return setTimeout(end, 10); console.log(children()); ${end} };
    diffAttention({ ...${JSON.stringify(LONG)}, onProgress: ({ done }) => done === 0 && setTimeout(end, 10) }).catch(({ code }) => console.log(code));
  `;

  it.each([
    ['by itself', 'process.exit(7)', 7, /^\d+\n$/],
    ['by a signal', "process.kill(process.pid, 'SIGTERM')", null, /^\d+\n$/],
    [
      'by a signal that it hears',
      "process.once('SIGTERM', () => { process.exitCode = 9; }); process.kill(process.pid, 'SIGTERM')",
      9,
      /^\d+\ninterrupted\n$/,
    ],
  ])('%s leaves neither processes nor files', async (_, end, code, printed) => {
    const ended = await exec(process.execPath, ['--input-type=module', '--eval', program(end)]);
    expect(ended).toEqual({ code, stdout: expect.stringMatching(printed), stderr: '', left: [] });
    const [child] = ended.stdout.split('\n');
    expect(spawnSync('ps', ['-o', 'stat=', '-p', child!], { encoding: 'utf8' }).stdout).toMatch(
      /^(Z|$)/,
    );
  });
});

describe('a run that fails', () => {
  it('leaves no work behind that keeps a program alive: the weights are not read to their end', async () => {
    const model = await folder.copy('qwen2-dynamo', (path) =>
      truncateSync(join(path, 'model.onnx.data'), 2 ** 37),
    );
    const program = `
      import { diffAttention } from ${JSON.stringify(BUILT)};
      await diffAttention(${JSON.stringify({ model, random: '1x4', timeout: 0.001 })}).catch(({ code }) => console.log(code));
    `;
    expect(await exec(process.execPath, ['--input-type=module', '--eval', program])).toEqual({
      code: 0,
      stdout: 'timed-out\n',
      stderr: '',
      left: [],
    });
  });
});

describe('importing attn-diff', () => {
  it('prints nothing, loads no ONNX Runtime, listens to nothing, and lets the program end', async () => {
    const program = `
      const before = process.eventNames().map(String).sort().join();
      await import(${JSON.stringify(BUILT)});
      if (process.eventNames().map(String).sort().join() !== before) console.log('it listens');
      if (process.report.getReport().sharedObjects.some((path) => path.includes('onnxruntime'))) console.log('it loads ONNX Runtime');
    `;
    const child = start(process.execPath, ['--input-type=module', '--eval', program], {});
    expect(await outcome(child)).toEqual({ code: 0, stdout: '', stderr: '' });
  });
});

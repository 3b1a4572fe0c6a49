import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readHistory } from '../../src/report/index.js';
import { BIN, outcome, start, TestFolder } from '../support/cli.js';
import { fixture } from '../support/fixtures.js';

const SCRIPT = fileURLToPath(new URL('../../examples/check-checkpoints.sh', import.meta.url));
/** Where it is not installed, that test is skipped. */
const LINTER = 'shellcheck';
const folder = new TestFolder();

/** A program of this name on a path of its own. */
function program(name: string, script: string): string {
  const bin = folder.path(`bin-${readdirSync(folder.root).length}`);
  mkdirSync(bin);
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
  return [bin, process.env['PATH']].join(delimiter);
}

/** A shell script in place of attn-diff, that has the path of the report that it is to write in $report, and the model's in $3. */
function checker(script: string): string {
  return program(
    'checker',
    `[ "$1" = history ] && exit; for word; do [ "$last" = --output ] && report=$word; last=$word; done\n${script}`,
  );
}

/** A folder of checkpoints, each whole. */
function checkpoints(name: string, ...names: string[]): string {
  const path = folder.path(name);
  for (const each of names) {
    mkdirSync(join(path, each), { recursive: true });
    writeFileSync(join(path, each, 'model.onnx'), '');
    writeFileSync(join(path, each, 'trainer_state.json'), '{}');
  }
  return path;
}

const check = (args: string[], env: Record<string, string>): ReturnType<typeof outcome> =>
  outcome(start('bash', [SCRIPT, ...args], { env: { WAIT: '0.1', ...env } }));

describe.skipIf(process.platform === 'win32')('check-checkpoints.sh', () => {
  it.skipIf(spawnSync(LINTER, ['--version']).status !== 0)('is clean', () => {
    const { stdout, status } = spawnSync(LINTER, [SCRIPT], { encoding: 'utf8' });
    expect([stdout, status]).toEqual(['', 0]);
  });

  it('exports and checks checkpoints as a trainer writes them, and ends the trainer where one fails', async () => {
    const out = folder.path('out');
    mkdirSync(out);
    // A trainer that writes weights, then goes on; the second checkpoint is broken.
    const save = (step: number, model: string): string =>
      `cp -R '${fixture(model)}' '${out}/tmp'; mkdir -p '${out}/checkpoint-${step}/weights'; mv '${out}/tmp'/* '${out}/checkpoint-${step}/weights/'; touch '${out}/checkpoint-${step}/trainer_state.json'; rmdir '${out}/tmp'`;
    const trainer = spawn('sh', [
      '-c',
      `${save(9, 'qwen2-head64')}; ${save(10, 'qwen2-eager-inf')}; exec sleep 60`,
    ]);
    const ended = outcome(trainer);
    const path = program(
      'optimum-cli',
      `echo "$@" >> '${folder.path('asked')}'; while [ "$1" != --model ]; do shift; done; mkdir -p "$5"; cp -R "$2/weights/." "$5"`,
    );
    const result = await check(
      [out, '--random', '2x8', '--padding', 'left', '--impl', 'original,eager'],
      { PATH: path, TRAINER_PID: String(trainer.pid), ATTN_DIFF: `${process.execPath} ${BIN}` },
    );

    expect(result.code).toBe(1);
    expect(result.stderr).toBe(
      `check-checkpoints: ${out}/checkpoint-10 failed the gate: see ${out}/checkpoint-10/attn-diff.txt.\ncheck-checkpoints: the training (process ${trainer.pid}) was told to end.\n`,
    );
    expect(result.stdout).toContain(
      `check-checkpoints: ${out}/checkpoint-9 passed.\nattn-diff history\n`,
    );
    expect(result.stdout).toContain(
      '✗ checkpoint-10: the verdict turned to FAILED: 1 check missed.',
    );
    await ended;
    expect(trainer.signalCode).toBe('SIGTERM');
    expect(readFileSync(folder.path('asked'), 'utf8').split('\n')[0]).toBe(
      `export onnx --model ${out}/checkpoint-9 --task text-generation-with-past ${out}/checkpoint-9/onnx.part`,
    );
    expect(
      readHistory(readFileSync(join(out, 'attn-diff.jsonl'), 'utf8'), '').runs.map(
        ({ label, passed }) => [label, passed],
      ),
    ).toEqual([
      ['checkpoint-9', true],
      ['checkpoint-10', false],
    ]);
    expect(readFileSync(join(out, 'checkpoint-10', 'attn-diff.txt'), 'utf8')).toContain(
      '\nFAILED: ',
    );
  });

  it('checks once what is whole and was not checked, in the order of the steps, where no trainer is named', async () => {
    const out = checkpoints(
      'once',
      'checkpoint-1000',
      'checkpoint-200',
      'checkpoint-300',
      'checkpoint-400',
    );
    writeFileSync(join(out, 'checkpoint-300', 'attn-diff.txt'), 'PASSED: of an earlier call.\n');
    cpSync(join(out, 'checkpoint-400'), join(out, 'checkpoint-500'), { recursive: true });
    spawnSync('rm', [join(out, 'checkpoint-500', 'trainer_state.json')]);
    const path = checker(
      'echo "$*" | sed "s#/\\.attn-diff\\.[^/]*/#/FRESH/#"; echo "PASSED the gate, yet look at this: so." > "$report"',
    );
    const { code, stdout, stderr } = await check([out, '--prompt', 'two words'], {
      PATH: path,
      ATTN_DIFF: 'checker',
    });
    expect([code, stderr]).toEqual([0, '']);
    const run = (step: number): string[] => [
      `run --model ${out}/checkpoint-${step} --history ${out}/attn-diff.jsonl --label checkpoint-${step} --prompt two words --output ${out}/checkpoint-${step}/FRESH/attn-diff.txt --format text`,
      `check-checkpoints: ${out}/checkpoint-${step} passed.`,
    ];
    expect(stdout.trimEnd().split('\n')).toEqual([...run(200), ...run(400), ...run(1000)]);
  });

  it('looks once more after the trainer has ended, so that its last checkpoint is checked', async () => {
    const out = folder.path('last');
    mkdirSync(out);
    const trainer = spawn('sh', [
      '-c',
      `sleep 0.3; mkdir '${out}/checkpoint-1'; touch '${out}/checkpoint-1/model.onnx' '${out}/checkpoint-1/trainer_state.json'`,
    ]);
    const path = checker('echo "PASSED: all well." > "$report"');
    expect(
      await check([out], { PATH: path, ATTN_DIFF: 'checker', TRAINER_PID: String(trainer.pid) }),
    ).toEqual({ code: 0, stdout: `check-checkpoints: ${out}/checkpoint-1 passed.\n`, stderr: '' });
  });

  it.each([2, 3, 4])(
    'ends with %i where a check could not be made, and leaves the training alone',
    async (code) => {
      const out = checkpoints(`code-${code}`, 'checkpoint-1', 'checkpoint-2');
      const trainer = spawn('sleep', ['60']);
      const result = await check([out], {
        PATH: program('checker', `exit ${code}`),
        ATTN_DIFF: 'checker',
        TRAINER_PID: String(trainer.pid),
      });
      expect(result).toEqual({
        code,
        stdout: '',
        stderr: `check-checkpoints: ${out}/checkpoint-1 could not be checked (exit code ${code}).\n`,
      });
      expect([trainer.exitCode, trainer.signalCode]).toEqual([null, null]);
      trainer.kill();
    },
  );

  it.each([
    ['npx finds no attn-diff', 'exit 1', 1],
    ['the shell finds no npx', 'exit 127', 127],
    ['it is killed', 'exit 137', 137],
    ['it ends well without a report', 'exit 0', 0],
    ['the report is of another run', 'echo "FAILED: earlier." > "$3/attn-diff.txt"; exit 1', 1],
    ['the report was not written to its end', 'echo "Model     m" > "$report"; exit 1', 1],
    ['the report says that it passed', 'echo "PASSED: all well." > "$report"; exit 1', 1],
    ['the report says that it failed', 'echo "FAILED: not well." > "$report"; exit 0', 0],
  ])('ends with 4 and leaves the training alone where %s', async (name, script, code) => {
    const out = checkpoints(name.replaceAll(' ', '-'), 'checkpoint-1');
    const trainer = spawn('sleep', ['60']);
    const result = await check([out], {
      PATH: checker(script),
      ATTN_DIFF: 'checker',
      TRAINER_PID: String(trainer.pid),
    });
    expect(result).toEqual({
      code: 4,
      stdout: '',
      stderr: `check-checkpoints: ${out}/checkpoint-1 could not be checked: 'checker' ended with exit code ${code} and no report that says so.\n`,
    });
    expect([trainer.exitCode, trainer.signalCode]).toEqual([null, null]);
    expect(
      readdirSync(join(out, 'checkpoint-1')).filter((file) => file !== 'attn-diff.txt'),
    ).toEqual(['model.onnx', 'trainer_state.json']);
    trainer.kill();
  });

  it('checks again what has a report without a verdict', async () => {
    const out = checkpoints('half', 'checkpoint-1');
    writeFileSync(
      join(out, 'checkpoint-1', 'attn-diff.txt'),
      'attn-diff 0.1.0: flash against eager\n',
    );
    expect(
      await check([out], {
        PATH: checker('echo "PASSED: all well." > "$report"'),
        ATTN_DIFF: 'checker',
      }),
    ).toEqual({ code: 0, stdout: `check-checkpoints: ${out}/checkpoint-1 passed.\n`, stderr: '' });
  });

  it('ends with 3 where the export fails, and takes nothing half-written for a model', async () => {
    const out = checkpoints('export', 'checkpoint-1');
    spawnSync('rm', [join(out, 'checkpoint-1', 'model.onnx')]);
    const path = program('exporter', 'mkdir -p "$2"; touch "$2/model.onnx"; exit 1');
    const result = await check([out], { PATH: path, ATTN_DIFF: 'false', EXPORT: 'exporter' });
    expect(result).toEqual({
      code: 3,
      stdout: '',
      stderr: `check-checkpoints: ${out}/checkpoint-1 could not be exported.\n`,
    });
    expect(existsSync(join(out, 'checkpoint-1', 'onnx'))).toBe(false);
  });

  it('does not pass a checkpoint that failed in an earlier call, and checks those after it', async () => {
    const out = checkpoints('again', 'checkpoint-1', 'checkpoint-2', 'checkpoint-3');
    const path = checker(
      'case $3 in *-2) echo "FAILED: it became NaN." > "$report"; exit 1 ;; *) echo "PASSED: all well." > "$report" ;; esac',
    );
    expect(await check([out], { PATH: path, ATTN_DIFF: 'checker' })).toMatchObject({
      code: 1,
      stderr: `check-checkpoints: ${out}/checkpoint-2 failed the gate: see ${out}/checkpoint-2/attn-diff.txt.\n`,
    });
    expect(await check([out], { PATH: path, ATTN_DIFF: 'checker' })).toEqual({
      code: 1,
      stdout: `check-checkpoints: ${out}/checkpoint-3 passed.\n`,
      stderr: `check-checkpoints: ${out}/checkpoint-2 failed the gate before: see ${out}/checkpoint-2/attn-diff.txt.\n`,
    });
  });

  it.each(['no-such-folder', 'none-whole'])(
    'does not pass where there was nothing to check: %s',
    async (name) => {
      if (name === 'none-whole') mkdirSync(folder.path(name, 'checkpoint-1'), { recursive: true });
      const out = folder.path(name);
      expect(await check([out], { ATTN_DIFF: 'false' })).toEqual({
        code: 2,
        stdout: '',
        stderr: `check-checkpoints: nothing was checked: ${out} has no checkpoint-* with trainer_state.json.\n`,
      });
    },
  );

  it('says how it is called', async () => {
    expect(await check([], {})).toEqual({
      code: 2,
      stdout: '',
      stderr: 'usage: check-checkpoints.sh FOLDER [options of attn-diff run]\n',
    });
  });
});

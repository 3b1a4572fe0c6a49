import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/errors.js';
import {
  BIN,
  call,
  exec,
  expectRefusal,
  run,
  TestFolder,
  type RunOptions,
} from '../support/cli.js';
import { fixture } from '../support/fixtures.js';

const folder = new TestFolder();
const INSPECT = ['inspect', '--model', fixture('qwen2-optimum')];
const RUN = ['run', '--model', fixture('qwen2-optimum'), '--random', '2x16', '--padding', 'right'];
// oxlint-disable-next-line no-control-regex -- escape sequences are what is looked for
const ANSI = /\u001B\[[0-9;]*m/;

/** Runs a line of shell in which $ATTN_DIFF is the command. */
function shell(line: string, options: RunOptions = {}): ReturnType<typeof exec> {
  return exec(
    'sh',
    ['-c', line.replaceAll('$ATTN_DIFF', `"${process.execPath}" "${BIN}"`)],
    options,
  );
}

describe.concurrent('--output', () => {
  it('holds what standard output would, and standard output nothing', async () => {
    const path = folder.path('inspect.txt');
    const [printed, written] = await Promise.all([
      run(INSPECT),
      call([...INSPECT, '--output', path]),
    ]);
    expect(written).toEqual({ code: EXIT.passed, stdout: '', stderr: '', left: [] });
    expect(readFileSync(path, 'utf8')).toBe(printed.stdout);
  });

  it('is written when the gate fails, too', async () => {
    const path = folder.path('failed.json');
    expect(
      (await call([...RUN, '--max-abs', '0', '--format', 'json', '--output', path])).code,
    ).toBe(EXIT.gateFailed);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ verdict: { passed: false } });
  });

  it('an existing file outlives a run that fails, and nothing is left beside it', async () => {
    mkdirSync(folder.path('kept'));
    const path = await folder.write('kept/report.txt', 'the last report');
    for (const args of [
      ['--model', '/nowhere'],
      ['--model', fixture('qwen2-optimum'), '--prompts', '/nowhere'],
    ]) {
      const { code } = await call(['run', ...args, '--output', path]);
      expect(code).not.toBe(EXIT.passed);
    }
    expect(readdirSync(folder.path('kept'))).toEqual(['report.txt']);
    expect(readFileSync(path, 'utf8')).toBe('the last report');
  });

  it('through a link changes what the link points to', async () => {
    const path = await folder.write('real.txt', 'old');
    symlinkSync(path, folder.path('link.txt'));
    expect((await call([...INSPECT, '--output', folder.path('link.txt')])).code).toBe(EXIT.passed);
    expect(lstatSync(folder.path('link.txt')).isSymbolicLink()).toBe(true);
    expect(readFileSync(path, 'utf8')).toContain('attn-diff inspect');
  });

  it.skipIf(process.platform === 'win32')('a pipe is written to, and stays one', async () => {
    const { stdout, stderr } = await shell(
      `mkfifo fifo; cat fifo & $ATTN_DIFF ${INSPECT.join(' ')} --output fifo && test -p fifo && wait && echo still a pipe || kill $!`,
      { cwd: folder.root },
    );
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^attn-diff inspect\n[^]*still a pipe\n$/);
  });
});

describe.concurrent('standard output', () => {
  it('closed early is no fault', async () => {
    const { stdout, stderr } = await shell(
      '$ATTN_DIFF schema | head -1; $ATTN_DIFF --help | head -1',
    );
    expect(stdout).toBe('{\nUsage: attn-diff [options] [command]\n');
    expect(stderr).toBe('');
  });

  it.skipIf(!existsSync('/dev/full'))('on a full disk is an error', async () => {
    expectRefusal(
      await shell('$ATTN_DIFF schema > /dev/full'),
      EXIT.usage,
      /standard output: cannot be written: the disk is full/,
    );
  });

  it('in a pipe has no colour, and no progress is on stderr', async () => {
    const { stdout, stderr } = await run(RUN, { env: { TERM: 'xterm-256color' } });
    expect(stdout).toContain('PASSED');
    expect(stdout).not.toMatch(ANSI);
    expect(stderr).toBe('');
  });

  it('FORCE_COLOR colours it; NO_COLOR and a file do not let it', async () => {
    const path = folder.path('colour.txt');
    const [forced, refused] = await Promise.all([
      run(INSPECT, { env: { FORCE_COLOR: '1' } }),
      run(INSPECT, { env: { FORCE_COLOR: '1', NO_COLOR: '1' } }),
      run([...INSPECT, '--output', path], { env: { FORCE_COLOR: '1' } }),
    ]);
    expect(forced.stdout).toMatch(ANSI);
    expect(refused.stdout).not.toMatch(ANSI);
    expect(readFileSync(path, 'utf8')).not.toMatch(ANSI);
  });

  it('is as wide as COLUMNS says', async () => {
    const { stdout } = await call(INSPECT, { env: { COLUMNS: '64' } });
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(64);
  });
});

const terminals = await exec('script', ['-qec', 'stty size', '/dev/null']).then(
  ({ code }) => code === 0,
  () => false,
);

// Needs `script` of util-linux, which gives a program a terminal to talk to.
describe.skipIf(!terminals)('in a terminal', { concurrent: true }, () => {
  const terminal = (line: string, env: Record<string, string> = {}): ReturnType<typeof exec> => {
    const command = `stty cols 70 rows 40; ${line.replaceAll('$ATTN_DIFF', `"${process.execPath}" "${BIN}"`)}`;
    return exec('script', ['-qec', command, '/dev/null'], {
      env: { TERM: 'xterm-256color', ...env },
    });
  };

  it('is as wide as that, and coloured', async () => {
    const { code, stdout } = await terminal(`$ATTN_DIFF ${INSPECT.join(' ')}`);
    expect(code).toBe(EXIT.passed);
    expect(stdout).toMatch(ANSI);
    const lines = stdout.replaceAll(new RegExp(ANSI, 'g'), '').split(/\r?\n/);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(70);
  });

  it('NO_COLOR takes the colour away', async () => {
    expect(
      (await terminal(`$ATTN_DIFF ${INSPECT.join(' ')}`, { NO_COLOR: '1' })).stdout,
    ).not.toMatch(ANSI);
  });

  it('shows progress where stderr is one, and clears it away', async () => {
    const path = folder.path('progress.txt');
    const { stdout } = await terminal(`$ATTN_DIFF ${RUN.join(' ')} > ${path}`);
    expect(stdout).toMatch(/\d\/5 checking the rebuilt graph/);
    expect(stdout).toContain('\u001B[?25h');
    expect(readFileSync(path, 'utf8')).not.toMatch(ANSI);
  });

  it('shows none where stderr is a file', async () => {
    const path = folder.path('stderr.txt');
    const { stdout } = await terminal(`$ATTN_DIFF ${RUN.join(' ')} 2> ${path}`);
    expect(stdout).toContain('PASSED');
    expect(stdout).not.toContain('checking the rebuilt graph');
    expect(readFileSync(path, 'utf8')).toBe('');
  });
});

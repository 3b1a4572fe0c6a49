import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { EXIT } from '../../src/errors.js';
import { BIN, outcome, start, TestFolder } from '../support/cli.js';
import { fixture } from '../support/fixtures.js';

const folder = new TestFolder();

/** The processes that a process has started; none once it has ended. */
function childrenOf(pid: number): number[] {
  try {
    return execFileSync('pgrep', ['-P', `${pid}`], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map(Number);
  } catch {
    return [];
  }
}

/** Whether a process runs; one that has ended and waits for init to take note of it does not. */
function isAlive(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', `${pid}`], { encoding: 'utf8' });
  return stdout.trim() !== '' && !stdout.startsWith('Z');
}

async function until(isTrue: () => boolean, milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds;
  while (!isTrue()) {
    if (performance.now() > end) throw new Error('it did not happen in time');
    await sleep(10);
  }
}

describe.skipIf(process.platform === 'win32')('a run that is interrupted', () => {
  // From the moment that the process running the model is there: as it starts, loads, and runs.
  it.each([
    ['SIGINT', 'group', 0],
    ['SIGINT', 'group', 150],
    ['SIGINT', 'group', 500],
    ['SIGTERM', 'group', 400],
    ['SIGTERM', 'command', 3000],
    ['SIGHUP', 'command', 300],
  ] as const)(
    '%s to the %s, %i ms in: one line, exit code 4, and nothing stays',
    async (signal, target, delay) => {
      const name = `${signal}-${target}-${delay}`;
      for (const part of ['tmp', 'out']) mkdirSync(folder.path(name, part), { recursive: true });
      const report = await folder.write(`${name}/out/report.txt`, 'the last report');

      const args = [
        BIN,
        'run',
        '--model',
        fixture('qwen2-optimum'),
        '--random',
        '64x256',
        '--output',
        report,
      ];
      // In a process group of its own, as a shell starts it; a terminal signals the whole group.
      const command = start(process.execPath, args, {
        detached: true,
        env: { TMPDIR: folder.path(name, 'tmp') },
      });
      onTestFinished(() => void command.kill('SIGKILL'));
      const pid = command.pid!;
      const ended = outcome(command);
      await until(() => childrenOf(pid).length > 0, 20_000);
      const [runner] = childrenOf(pid);
      await sleep(delay);
      expect(readdirSync(folder.path(name, 'out'))).toEqual(['report.txt']);

      const before = performance.now();
      process.kill(target === 'group' ? -pid : pid, signal);
      expect(await ended).toEqual({
        code: EXIT.execution,
        stdout: '',
        stderr: 'attn-diff: interrupted; nothing was written. Run the command again.\n',
      });
      expect(performance.now() - before).toBeLessThan(5000);

      await until(() => !isAlive(runner!), 1000);
      expect(readdirSync(folder.path(name, 'out'))).toEqual(['report.txt']);
      expect(readFileSync(report, 'utf8')).toBe('the last report');
      expect(readdirSync(folder.path(name, 'tmp'))).toEqual([]);
    },
  );
});

describe.skipIf(process.platform === 'win32')('when the process that runs the model dies', () => {
  it('is an error of execution, in one line', async () => {
    const args = [BIN, 'run', '--model', fixture('qwen2-optimum'), '--random', '64x256'];
    const command = start(process.execPath, args, { env: { TMPDIR: folder.path() } });
    onTestFinished(() => void command.kill('SIGKILL'));
    const ended = outcome(command);
    await until(() => childrenOf(command.pid!).length > 0, 20_000);
    await sleep(300);
    process.kill(childrenOf(command.pid!)[0]!, 'SIGKILL');
    const { code, stdout, stderr } = await ended;
    expect(stderr).toMatch(
      /^attn-diff: [^\n]+ was killed \(SIGKILL\), as systems do where memory runs out\. Try a smaller batch[^\n]+\n$/,
    );
    expect({ code, stdout }).toEqual({ code: EXIT.execution, stdout: '' });
    expect(readdirSync(folder.path()).filter((name) => name.startsWith('attn-diff-'))).toEqual([]);
  });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { Machine, VERSION } from './tree.js';

const BUILT = new URL('../../../dist/', import.meta.url).href;

/** A process that sets up a made-up machine, and clears away as the command does. */
const PROGRAM = `
const load = (name) => import(${JSON.stringify(BUILT)} + name);
const [{ setUpCuda }, { cleanups }, { DISK }, { onEnd }] = await Promise.all(['cuda/setup/index.js', 'cuda/setup/cleanups.js', 'cuda/setup/place.js', 'commands/interrupt.js'].map(load));
const undo = cleanups();
onEnd(undo.run, () => null);
const [folder] = process.argv.slice(1);
await setUpCuda({ from: null, isDryRun: false }, { platform: 'linux', arch: 'x64', folder, version: '${VERSION}', env: process.env, disk: DISK, undo, notice() {}, driverCuda: () => null, pythons: () => ({ sites: [], interpreter: 'python3' }) });
`;

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition() && tries < 500; tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 20));
}

it.skipIf(process.platform !== 'linux')(
  'Ctrl-C while pip downloads ends pip, whatever it has started, and removes the download',
  async () => {
    const machine = new Machine();
    onTestFinished(() => rmSync(machine.root, { recursive: true }));
    const log = join(machine.root, 'pid');
    const scratch = join(machine.root, 'tmp');
    mkdirSync(scratch);
    // As pyenv's python3 does, it starts another process and waits for that.
    machine.program(
      'python3',
      `sleep 60 &\necho $! > ${log}.new; echo half > "$TMPDIR/a.whl"; mv ${log}.new ${log}; wait`,
    );
    const env = {
      ...process.env,
      PATH: `${join(machine.root, 'bin')}:${process.env['PATH']}`,
      TMPDIR: scratch,
    };
    const child = spawn(
      process.execPath,
      ['--input-type=module', '--eval', PROGRAM, machine.folder],
      { env, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let stderr = '';
    child.stderr.on('data', (part) => (stderr += part));
    onTestFinished(() => void child.kill('SIGKILL'));
    const ended = once(child, 'close');
    await until(() => existsSync(log));
    const pip = Number(readFileSync(log, 'utf8'));
    expect(isRunning(pip)).toBe(true);
    child.kill('SIGINT');
    expect(await ended).toEqual([4, null]);
    expect(stderr).toBe('attn-diff: interrupted; nothing was written. Run the command again.\n');
    await until(() => !isRunning(pip));
    expect(isRunning(pip)).toBe(false);
    expect(readdirSync(scratch)).toEqual([]);
    expect(machine.placed()).toEqual([]);
  },
);

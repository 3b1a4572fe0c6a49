import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import { inProcessRunners } from '../../src/runners/inProcess.js';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const STREAMS = ['stdout', 'stderr'] as const;
let runs = 0;

/**
 * Runs `attn-diff` from its entry point on, in this process and with ONNX Runtime in it: no process is started, which
 * is most of what a short run costs. For commands that need no process of their own: one provider, its usual kernels,
 * no time limit, no Ctrl-C. One at a time, since the working folder and the streams are those of the process.
 *
 * @returns what it wrote to stdout and stderr, in that order of events, and its exit code
 */
export async function runInProcess(args: readonly string[], cwd: string): Promise<{ output: string; exitCode: number }> {
  vi.doMock('../../src/runners/childProcess.js', () => ({ childRunners: inProcessRunners }));
  vi.stubEnv('NO_COLOR', '1');
  vi.stubEnv('COLUMNS', undefined);
  const before = { argv: process.argv, cwd: process.cwd(), exitCode: process.exitCode };
  const writers = { stdout: process.stdout.write, stderr: process.stderr.write };
  const listeners = STREAMS.map((name) => process[name].listeners('error'));
  let output = '';
  process.chdir(cwd);
  process.argv = [process.execPath, 'attn-diff', ...args];
  process.exitCode = undefined;
  for (const name of STREAMS) process[name].write = (text: string | Uint8Array): boolean => ((output += text.toString()), true);
  try {
    // The entry point runs when it is imported, so each time it must be another module; what it imports is the same.
    runs += 1;
    await import(/* @vite-ignore */ `${CLI}?${runs}`);
    return { output, exitCode: Number(process.exitCode ?? 0) };
  } finally {
    Object.assign(process, { argv: before.argv, exitCode: before.exitCode });
    process.chdir(before.cwd);
    STREAMS.forEach((name, i) => {
      process[name].write = writers[name];
      for (const listener of process[name].listeners('error')) if (!listeners[i]!.includes(listener)) process[name].off('error', listener as () => void);
    });
    vi.unstubAllEnvs();
  }
}

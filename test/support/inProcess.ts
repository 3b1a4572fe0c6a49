import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import type { ExitCode } from '../../src/errors.js';
import { runProgram } from '../../src/program.js';
import { inProcessRunners } from '../../src/runners/inProcess.js';

export interface InProcessResult {
  exitCode: number;
  stdout: string;
  stderr: string;
  /** Both, in the order of events. */
  output: string;
  /** What is left in the temporary folder. */
  left: string[];
}

const STREAMS = ['stdout', 'stderr'] as const;
let last: Promise<unknown> = Promise.resolve();

/**
 * Runs `attn-diff` in this process and with ONNX Runtime in it: no process is started, which is most of what a short
 * run costs. For commands that need no process of their own: one provider, its usual kernels, no time limit, no
 * Ctrl-C. One at a time, since the working folder, the environment and the streams are those of the process.
 *
 * @param env beside this process's own, without what it says of the hub
 */
export async function runInProcess(
  args: readonly string[],
  cwd: string = process.cwd(),
  env: Readonly<Record<string, string>> = {},
): Promise<InProcessResult> {
  const result = last.then(() => runAlone(args, cwd, env));
  last = result.catch(() => undefined);
  return result;
}

async function runAlone(
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<InProcessResult> {
  const scratch = mkdtempSync(join(tmpdir(), 'attn-diff-in-process-'));
  const hub = Object.keys(process.env).filter((name) => name.startsWith('HF_'));
  for (const [name, value] of Object.entries({
    ...Object.fromEntries(hub.map((key) => [key, undefined])),
    NO_COLOR: '1',
    COLUMNS: undefined,
    GITHUB_ACTIONS: undefined,
    TMPDIR: scratch,
    ...env,
  }))
    vi.stubEnv(name, value);
  const before = { cwd: process.cwd(), stdout: process.stdout.write, stderr: process.stderr.write };
  const written = { stdout: '', stderr: '', output: '' };
  let exitCode: ExitCode = 0;
  process.chdir(cwd);
  for (const name of STREAMS) {
    process[name].write = (text: string | Uint8Array): boolean => {
      written[name] += text.toString();
      written.output += text.toString();
      return true;
    };
  }
  try {
    await runProgram(args, { finish: (code) => (exitCode = code), runners: inProcessRunners });
    return {
      ...written,
      exitCode,
      left: readdirSync(scratch, { recursive: true, encoding: 'utf8' }),
    };
  } finally {
    process.chdir(before.cwd);
    for (const name of STREAMS) process[name].write = before[name];
    vi.unstubAllEnvs();
    rmSync(scratch, { recursive: true });
  }
}

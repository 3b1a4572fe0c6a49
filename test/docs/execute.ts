import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { delimiter, resolve } from 'node:path';
import { runInProcess } from '../support/inProcess.js';
import { SWIFTSHADER } from '../support/webgpu.js';

export interface Execution {
  /** What it wrote, stdout and stderr together. */
  output: string;
  exitCode: number | null;
}

/** Commands that leave the folder as it is. */
const READS_ONLY =
  /^(attn-diff (run|explain|demo|inspect|schema|doctor|bench)|node scripts\/\w+\.js) (?!.*--(output|report|save-\w+|resume)\b)/;

/** What a command takes from the folder that is not the clone's. */
const OWN_FILES = /--(model|prompts|data|mask|config|baseline) (?!fixtures\/)/;

/** What only a process of its own shows: other providers and kernels, time limits, what the machine has. */
const NEEDS_PROCESS = /^(doctor|bench)$|@|\bkernel=|^--(provider|timeout|save-repro)\b/;

/** Whether the command changes nothing in the folder that it is run in. */
export function readsOnly(command: string): boolean {
  return READS_ONLY.test(`${command} `);
}

/** Whether the command gives the same in every folder, whatever was done there before. */
export function isSameEverywhere(command: string): boolean {
  return readsOnly(command) && !OWN_FILES.test(command);
}

/**
 * The arguments of `attn-diff` in a command line; null where it is another program's, or needs a shell or a process of
 * its own.
 */
export function plainArguments(command: string): string[] | null {
  const [program, ...args] = command.match(/"[^"$`\\]*"|'[^']*'|[^\s"'`$\\|&;<>(){}*?]+|\S/g) ?? [];
  const rest =
    program === 'node' && args[0] === 'bin/attn-diff.js'
      ? args.slice(1)
      : program === 'attn-diff'
        ? args
        : null;
  if (
    rest === null ||
    rest.some((word) => /^["'`$\\|&;<>(){}*?]$/.test(word) || NEEDS_PROCESS.test(word))
  )
    return null;
  return rest.map((word) => word.replace(/^(["'])(.*)\1$/, '$2'));
}

/** Runs the command as a reader would, in a shell. */
export function executeInShell(
  command: string,
  folder: string,
  { home, path }: { home: string; path: string },
): Execution {
  const { stdout, status } = spawnSync('sh', ['-c', `{ ${command}\n} 2>&1`], {
    cwd: folder,
    encoding: 'utf8',
    env: {
      PATH: [path, process.env['PATH']].join(delimiter),
      NO_COLOR: '1',
      HOME: home,
      ORT_INTRA_OP_NUM_THREADS: '1',
      ...(command.includes('webgpu') ? SWIFTSHADER : {}),
    },
  });
  return { output: stdout, exitCode: status };
}

/** Runs the command at the least cost: in this process where that makes no difference. */
export async function execute(
  command: string,
  folder: string,
  place: { home: string; path: string },
): Promise<Execution> {
  const [, written = command, target] = /^([^<>|;&]+\S) > (~?[\w./-]+)$/.exec(command) ?? [];
  const args = plainArguments(written);
  if (args === null) return executeInShell(command, folder, place);
  const result = await runInProcess(args, folder);
  if (target === undefined) return result;
  writeFileSync(resolve(folder, target.replace(/^~(?=\/)/, place.home)), result.stdout);
  return { output: result.stderr, exitCode: result.exitCode };
}

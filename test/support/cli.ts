import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect } from 'vitest';
import type { z } from 'zod';
import type { ExitCode } from '../../src/errors.js';
import { decodeModel, encodeModel } from '../../src/onnx/read.js';
import type { ModelProto } from '../../src/onnx/types.js';
import { reportSchema } from '../../src/report/schema.js';
import { fixture, type FIXTURES } from './fixtures.js';
import { runInProcess } from './inProcess.js';

/** The built command: `npm run build` comes first, as `npm test` has it. */
export const BIN = fileURLToPath(new URL('../../bin/attn-diff.js', import.meta.url));

/** Told once, since a command that runs in this process has a temporary folder of its own meanwhile. */
const TEMPORARY = tmpdir();

export interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
  /** What the command left in its temporary folder. */
  left: string[];
}

export interface RunOptions {
  env?: Record<string, string>;
  cwd?: string;
  input?: string;
}

/** Runs `attn-diff` as a user would, with pipes for its three streams and a temporary folder of its own. */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<Result> {
  return exec(process.execPath, [BIN, ...args], options);
}

/**
 * Runs `attn-diff` in this process, at a fraction of what `run` costs: for all that does not take a process of its own
 * to show, which `runInProcess` lists.
 */
export async function call(
  args: readonly string[],
  { env, cwd }: Omit<RunOptions, 'input'> = {},
): Promise<Result> {
  const { exitCode, stdout, stderr, left } = await runInProcess(args, cwd, env);
  return { code: exitCode, stdout, stderr, left };
}

/** Runs a program with the environment that `run` gives. */
export async function exec(
  file: string,
  args: readonly string[],
  { env = {}, cwd, input }: RunOptions = {},
): Promise<Result> {
  const scratch = await mkdtemp(join(TEMPORARY, 'attn-diff-cli-'));
  try {
    const child = start(file, args, {
      env: { TMPDIR: scratch, ...env },
      ...(cwd !== undefined && { cwd }),
    });
    child.stdin?.end(input);
    const ended = await outcome(child);
    return { ...ended, left: await readdir(scratch, { recursive: true }) };
  } finally {
    await rm(scratch, { recursive: true });
  }
}

/** Starts a program with nothing of the tests' own environment but where to find programs, and how many threads to use. */
export function start(
  file: string,
  args: readonly string[],
  { env, ...options }: SpawnOptions,
): ChildProcess {
  return spawn(file, args, {
    ...options,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      ORT_INTRA_OP_NUM_THREADS: '1',
      ...env,
    },
  });
}

export async function outcome(child: ChildProcess): Promise<Omit<Result, 'left'>> {
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (part: string) => (text[name] += part));
  const code = await new Promise<number | null>((resolve, reject) =>
    child.on('close', resolve).on('error', reject),
  );
  return { code, ...text };
}

/** Asserts that a command said what is wrong in one line, and did nothing else. */
export function expectRefusal(
  { code, stdout, stderr, left }: Result,
  expected: ExitCode,
  ...says: (string | RegExp)[]
): void {
  expect(stderr).toMatch(/^attn-diff: [^\n]+[.)]\n$/);
  for (const part of says) {
    if (typeof part === 'string') expect(stderr).toContain(part);
    else expect(stderr).toMatch(part);
  }
  expect(stdout).toBe('');
  expect(code).toBe(expected);
  expect(left).toEqual([]);
}

/** A folder that lives as long as the test file. */
export class TestFolder {
  readonly root = mkdtempSync(join(TEMPORARY, 'attn-diff-cli-'));
  #copies = 0;

  constructor() {
    afterAll(() => rm(this.root, { recursive: true }));
  }

  path(...parts: string[]): string {
    return join(this.root, ...parts);
  }

  async write(name: string, content: string | Uint8Array): Promise<string> {
    const path = this.path(name);
    await writeFile(path, content);
    return path;
  }

  /** A copy of a fixture to damage. */
  async copy(
    from: (typeof FIXTURES)[number],
    damage: (folder: string) => unknown,
  ): Promise<string> {
    const folder = this.path(`${from}-${this.#copies++}`);
    await cp(fixture(from), folder, { recursive: true });
    await damage(folder);
    return folder;
  }
}

/** Rewrites the model.onnx of a folder. */
export async function editModel(folder: string, edit: (model: ModelProto) => void): Promise<void> {
  const path = join(folder, 'model.onnx');
  const model = decodeModel(await readFile(path), path);
  edit(model);
  await writeFile(path, encodeModel(model));
}

/** A report asked for as JSON, checked against its schema; of this process unless it is to be of one of its own. */
export async function report(
  args: readonly string[],
  by: (args: readonly string[]) => Promise<Result> = call,
): Promise<Result & { report: z.infer<typeof reportSchema> }> {
  const result = await by([...args, '--format', 'json']);
  expect(result.stderr).toBe('');
  expect(result.left).toEqual([]);
  return { ...result, report: reportSchema.parse(JSON.parse(result.stdout)) };
}

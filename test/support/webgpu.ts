import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { BIN } from './cli.js';

/** Where Debian's chromium package puts SwiftShader, a Vulkan driver that needs no GPU, and a loader for it. */
const CHROMIUM = '/usr/lib/chromium';
const DRIVER = join(CHROMIUM, 'vk_swiftshader_icd.json');

/** What a process needs to find SwiftShader; null where it is not installed. */
export const SWIFTSHADER: Record<string, string> | null = existsSync(DRIVER)
  ? {
      VK_ICD_FILENAMES: DRIVER,
      LD_LIBRARY_PATH: CHROMIUM,
      XDG_RUNTIME_DIR: mkdtempSync(join(tmpdir(), 'attn-diff-webgpu-')),
    }
  : null;
if (SWIFTSHADER)
  afterAll(() => rmSync(SWIFTSHADER!['XDG_RUNTIME_DIR']!, { recursive: true, force: true }));

/** Why WebGPU cannot be tested here; null where it can. A driver that is there and does not work is no reason: then tests must fail. */
export const WITHOUT_WEBGPU: string | null = SWIFTSHADER
  ? null
  : `no SwiftShader in ${CHROMIUM}: apt-get install chromium brings it`;

/** Runs the command with WebGPU on SwiftShader, and returns its report. */
export function runOnSwiftShader<R>(args: readonly string[]): R {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [BIN, ...args, '--format', 'json'],
    {
      encoding: 'utf8',
      env: { ...process.env, GITHUB_ACTIONS: '', ...SWIFTSHADER },
      maxBuffer: 2 ** 27,
    },
  );
  if (stdout === '') throw new Error(`exit code ${status}: ${stderr}`);
  return JSON.parse(stdout) as R;
}

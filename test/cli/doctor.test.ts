import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { EXIT } from '../../src/errors.js';
import { doctorSchema } from '../../src/report/doctorSchema.js';
import { call, expectRefusal, run, TestFolder, type RunOptions } from '../support/cli.js';

type Document = z.infer<typeof doctorSchema>;

const folder = new TestFolder();

async function diagnosis(
  args: readonly string[] = [],
  options: RunOptions = {},
): Promise<Document> {
  const { code, stdout, stderr, left } = await run(
    ['doctor', '--format', 'json', ...args],
    options,
  );
  expect({ code, stderr, left }).toEqual({ code: EXIT.passed, stderr: '', left: [] });
  return doctorSchema.parse(JSON.parse(stdout));
}

function provider({ providers }: Document, name: string): Document['providers'][number] {
  return providers.find((each) => each.name === name)!;
}

/** Code that every process of the command runs first. */
async function preloaded(code: string): Promise<RunOptions> {
  return {
    env: { NODE_OPTIONS: `--import=${await folder.write(`preload-${code.length}.mjs`, code)}` },
  };
}

const isLinuxX64 = process.platform === 'linux' && process.arch === 'x64';

describe.concurrent('doctor', () => {
  it('runs a node on the CPU provider, and says so', async () => {
    const { code, stdout, stderr, left } = await run(['doctor']);
    expect({ code, stderr, left }).toEqual({ code: EXIT.passed, stderr: '', left: [] });
    expect(stdout).toMatch(/^cpu +bundled +✓ works +MatMul on cpu in fp32$/m);
    expect(stdout).toMatch(/^flash +cpu +real +emulated +emulated +GroupQueryAttention$/m);
    expect(stdout).toMatch(/^flash@cpu +kernel=flash, naive$/m);
  });

  it('writes a document of its schema', async () => {
    const document = await diagnosis();
    expect(provider(document, 'cpu')).toEqual({
      name: 'cpu',
      status: 'works',
      bundled: true,
      ran: [{ operator: 'MatMul', provider: 'cpu', types: ['fp32'] }],
      problem: null,
      remedy: null,
    });
    expect(document.providers).toHaveLength(6);
    expect(document.machine).toMatchObject({
      node: process.versions.node,
      platform: process.platform,
      arch: process.arch,
    });
  });

  it.runIf(isLinuxX64)('says what keeps CUDA from running, and how to get it', async () => {
    const document = await diagnosis();
    // A machine with CUDA is no reason to fail.
    const missing = document.providers.filter(
      ({ name, status }) => name === 'cuda' && status !== 'works',
    );
    for (const { problem, remedy } of missing)
      expect({ problem, remedy }).toEqual({
        problem: expect.stringMatching(/\S/),
        remedy: expect.stringMatching(
          /attn-diff setup cuda|docker run --gpus all|driver|pip install|CUDA_VISIBLE_DEVICES/,
        ),
      });
    expect(document.cuda!.lacks === null).toBe(missing.length === 0);
    expect(document.libraries.length).toBeGreaterThan(1);
    expect(
      document.libraries.every(({ path, remedy: how }) => (path === null) === (how !== null)),
    ).toBe(true);
  });

  it('goes on where a provider crashes', async () => {
    const document = await diagnosis(
      [],
      await preloaded(
        "if (process.argv[1]?.endsWith('child.js') && process.argv[3] === 'webgpu') process.kill(process.pid, 'SIGSEGV');",
      ),
    );
    expect(provider(document, 'cpu').status).toBe('works');
    for (const { status, problem } of document.providers.filter(
      ({ name, bundled }) => name === 'webgpu' && bundled !== null,
    ))
      expect({ status, problem }).toEqual({
        status: 'fails',
        problem: 'its process died (SIGSEGV)',
      });
  });

  it('goes on where every provider hangs', async () => {
    const document = await diagnosis(
      ['--timeout', '0.5'],
      await preloaded(
        "if (process.argv[1]?.endsWith('child.js')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);",
      ),
    );
    for (const { status, problem } of document.providers.filter(
      (each) => each.status !== 'not-on-platform',
    ))
      expect({ status, problem }).toEqual({ status: 'fails', problem: 'no answer within 0.5 s' });
    expect(document.implementations).toEqual([]);
  });

  it.runIf(process.platform === 'linux')(
    'reads GPUs from nvidia-smi, and Vulkan from the environment',
    async () => {
      const bin = folder.path('bin');
      mkdirSync(bin);
      writeFileSync(`${bin}/nvidia-smi`, '#!/bin/sh\necho "NVIDIA Example, 550.54.15, 1024 MiB"\n');
      chmodSync(`${bin}/nvidia-smi`, 0o755);
      const driver = await folder.write(
        'icd.json',
        '{"ICD": {"library_path": "./libvk_example.so"}}',
      );
      const loader = await folder.write('libvulkan.so.1', '');
      const { gpus, vulkan } = await diagnosis([], {
        env: {
          PATH: [bin, process.env['PATH']].join(delimiter),
          VK_DRIVER_FILES: driver,
          VK_ICD_FILENAMES: 'unused.json',
          LD_LIBRARY_PATH: folder.root,
        },
      });
      expect(gpus![0]).toEqual({
        name: 'NVIDIA Example',
        driver: '550.54.15',
        memoryBytes: 2 ** 30,
        source: 'nvidia-smi',
      });
      expect(vulkan).toEqual({
        loader,
        drivers: [{ file: driver, library: './libvk_example.so' }],
      });
    },
  );

  it('writes to a file', async () => {
    const path = folder.path('doctor.txt');
    expect(await run(['doctor', '--output', path])).toEqual({
      code: EXIT.passed,
      stdout: '',
      stderr: '',
      left: [],
    });
    expect(readFileSync(path, 'utf8')).toMatch(/^attn-diff doctor\n/);
  });

  it.each([
    [['--timeout', '0'], /--timeout "0": it is not between .*Give a number of seconds/],
    [['--timeout', 'soon'], /--timeout "soon": it is not a number/],
    [['--format', 'text'], /--format <format>' argument 'text' is invalid/],
    [['--output', ''], '--output'],
    [['--model', 'x'], "unknown option '--model'"],
  ])('refuses %s', async (args, says) => {
    expectRefusal(await call(['doctor', ...args]), EXIT.usage, says);
  });
});

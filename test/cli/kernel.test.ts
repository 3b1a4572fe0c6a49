import { describe, expect, it } from 'vitest';
import { fixture } from '../support/fixtures.js';
import { call, expectRefusal, run, TestFolder } from '../support/cli.js';
import type { ExitCode } from '../../src/errors.js';
import type { DiffReport } from '../../src/types.js';

async function report(by: typeof call, env: Record<string, string> = {}): Promise<DiffReport> {
  const { stdout } = await by(
    [
      'run',
      '--model',
      fixture('qwen2-optimum'),
      '--impl',
      'eager,flash',
      '--random',
      '1x8',
      '--padding',
      'right',
      '--format',
      'json',
    ],
    { env },
  );
  return JSON.parse(stdout) as DiffReport;
}

describe('the kernel behind flash', () => {
  it('is proven to be the flash kernel', async () => {
    const { implementations, findings } = await report(call);
    expect(implementations.find(({ name }) => name === 'flash')).toMatchObject({
      kernel: 'GroupQueryAttention (flash)',
      evidence: expect.stringContaining('bits differ from the naive kernel'),
    });
    expect(findings.map(({ code }) => code)).not.toContain('kernel-fallback');
  });

  it('is a finding where ONNX Runtime was told to take another', async () => {
    const { implementations, findings } = await report(run, {
      ORT_GQA_DISABLE_FLASH_ATTENTION: '1',
    });
    expect(implementations.find(({ name }) => name === 'flash')).toMatchObject({
      kernel: 'GroupQueryAttention (naive)',
    });
    expect(findings[0]).toEqual({
      code: 'kernel-fallback',
      implementation: 'flash',
      asked: { provider: 'cpu', kernel: 'flash' },
      kernel: 'GroupQueryAttention (naive)',
      provider: 'cpu',
      written: 'fp32',
      ran: ['fp32'],
      reason: 'other-kernel',
    });
  });
});

describe('kernels asked for by name', () => {
  it('flash and naive run side by side, each in a process of its own, with other bits', async () => {
    const { stdout, code } = await run([
      'run',
      '--model',
      fixture('qwen2-optimum'),
      '--impl',
      'eager,flash,flash:kernel=naive',
      '--random',
      '1x8',
      '--padding',
      'right',
      '--require-kernel',
      '--format',
      'json',
    ]);
    const { implementations, rows } = JSON.parse(stdout) as DiffReport;
    expect(implementations.map(({ name, kernel, proof }) => [name, kernel, proof])).toEqual([
      ['eager', 'MatMul → Softmax → MatMul', 'confirmed'],
      ['flash', 'GroupQueryAttention (flash)', 'confirmed'],
      ['flash:kernel=naive', 'GroupQueryAttention (naive)', 'confirmed'],
    ]);
    const [flash, naive] = ['flash', 'flash:kernel=naive'].map((name) =>
      rows
        .filter(({ implementation, scope }) => implementation === name && scope === 'local')
        .map(({ relL2 }) => relL2),
    );
    expect(flash!.length).toBe(4);
    expect(flash).not.toEqual(naive);
    expect(code).toBe(0);
  });

  it('--require-kernel fails where another ran', async () => {
    const { stdout, code } = await run(
      ['demo', '--impl', 'eager,flash', '--padding', 'right', '--require-kernel'],
      { env: { ORT_GQA_DISABLE_FLASH_ATTENTION: '1' } },
    );
    expect(stdout).toMatch(/✗ fallback: asked for the flash kernel/);
    expect(stdout).toMatch(/✗ kernel, flash: .*--require-kernel/s);
    expect(code).toBe(1);
  });
});

describe('providers, kernels and time limits that cannot be had', () => {
  const folder = new TestFolder();

  it.each([
    [
      'a provider that the platform lacks',
      ['--impl', 'eager,flash@coreml'],
      2,
      'coreml',
      'cpu, webgpu',
    ],
    [
      'a provider whose libraries are missing',
      ['--provider', 'cuda'],
      2,
      'cuda',
      'attn-diff doctor',
    ],
    [
      'a provider that there is nowhere',
      ['--impl', 'eager,flash@gpu'],
      2,
      'flash@gpu',
      'cpu, webgpu, cuda',
    ],
    [
      'a kernel that the provider lacks',
      ['--impl', 'flash:kernel=cudnn'],
      2,
      'cudnn',
      'flash, naive',
    ],
    [
      'a kernel of an implementation that has none',
      ['--impl', 'eager:kernel=flash'],
      2,
      'eager has no kernel',
      'precision',
    ],
    ['a provider that is misspelt', ['--provider', 'CUDA'], 2, '--provider "CUDA"', 'cpu, webgpu'],
    ['no time at all', ['--timeout', '0'], 2, '--timeout', 'seconds'],
    ['too little time for the reference', ['--timeout', '0.001'], 4, '0.001 second', '--timeout'],
  ] as [string, string[], ExitCode, ...string[]][])(
    '%s',
    async (_, options, code, ...says: string[]) => {
      const output = folder.path('report.txt');
      // A library that is not there is looked for, and time is kept, in processes of their own.
      const by = options.includes('cuda') || options.includes('0.001') ? run : call;
      expectRefusal(await by(['demo', ...options, '--output', output]), code, ...says);
    },
  );

  it('a folder for the reproduction that is in use', async () => {
    await folder.write('kept.txt', 'kept');
    expectRefusal(
      await call(['demo', '--save-repro', folder.root]),
      2,
      'not empty',
      '--save-repro',
    );
    expectRefusal(
      await call(['demo', '--save-repro', folder.path('kept.txt')]),
      2,
      'not a folder',
      '--save-repro',
    );
  });
});

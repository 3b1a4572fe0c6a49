import { describe, expect, it } from 'vitest';
import type { DiffReport } from '../../src/types.js';
import { fixture } from '../support/fixtures.js';
import { runInProcess } from '../support/inProcess.js';

const RUN = ['run', '--random', '1x6', '--padding', 'right', '--impl', 'eager,original'];

async function report(form: string, ...args: string[]): Promise<DiffReport> {
  const { stdout } = await runInProcess([
    ...RUN,
    '--model',
    fixture('forms', form),
    '--format',
    'json',
    ...args,
  ]);
  return JSON.parse(stdout) as DiffReport;
}

describe('a file in half precision on the CPU', () => {
  it('is told to have run in float32, by a finding that does not fail and a kernel that does', async () => {
    const { implementations, findings, verdict } = await report('qwen2-fp16', '--require-kernel');
    const [eager, original] = implementations;
    expect(eager).toMatchObject({ written: 'fp32', ran: ['fp32'], proof: 'confirmed' });
    expect(original).toMatchObject({
      precision: 'fp16',
      emulated: false,
      written: 'fp16',
      ran: ['fp32'],
      proof: 'fallback',
      reason: 'other-type',
      kernel: 'MatMul → ReduceMax → Sub → Exp → ReduceSum → Div → MatMul',
    });
    expect(findings).toContainEqual({
      code: 'kernel-fallback',
      implementation: 'original',
      asked: { provider: 'cpu', kernel: null },
      kernel: original!.kernel,
      provider: 'cpu',
      written: 'fp16',
      ran: ['fp32'],
      reason: 'other-type',
    });
    expect(
      verdict.checks
        .filter(({ passed }) => !passed)
        .map(({ name, implementation }) => [name, implementation]),
    ).toEqual([['kernel', 'original']]);
  });

  it('passes where no kernel is required, and says in which type it ran', async () => {
    const { stdout, exitCode } = await runInProcess([
      ...RUN,
      '--model',
      fixture('forms', 'qwen2-optimum-fp16'),
    ]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^original +MatMul → Softmax → MatMul · fp16 asked, fp32 ran$/m);
    expect(stdout).toMatch(/^ +✗ fallback: asked for fp16; profile: \d+ nodes on cpu in fp32$/m);
    expect(stdout).toMatch(
      /! original is written in fp16, and ONNX Runtime ran MatMul → Softmax → MatMul on cpu in fp32:/,
    );
  });

  it('is told to have run in float32 where the runtime has no kernels of its type at all', async () => {
    const { implementations } = await report('qwen2-dynamo-bf16');
    expect(implementations[1]).toMatchObject({
      kernel: 'Attention',
      precision: 'fp32',
      written: 'bf16',
      ran: ['fp32'],
      reason: 'other-type',
    });
  });

  it('is confirmed where the provider has a kernel of its type', async () => {
    const { implementations } = await report('qwen2-genai-fp16-cuda');
    expect(implementations[1]).toMatchObject({
      kernel: 'GroupQueryAttention',
      ran: ['fp16'],
      proof: 'confirmed',
      evidence:
        'profile: 2 nodes on cpu in fp16; scores past 65504 stay finite: a wider type inside',
    });
  });
});

import { afterEach, describe, expect, it } from 'vitest';
import { parseRunOptions } from '../../src/config/index.js';
import { ROUNDING, type RoundingLimits } from '../../src/metrics/index.js';
import { roundingLimits } from '../../src/pipeline/precision.js';
import { prepareRun } from '../../src/pipeline/prepare.js';
import { runDiff } from '../../src/pipeline/run.js';
import { inProcessRunners } from '../../src/runners/inProcess.js';
import type { DiffReport } from '../../src/types.js';
import { fixture } from '../support/fixtures.js';

async function run(form: string): Promise<DiffReport> {
  const config = parseRunOptions({ model: fixture('forms', form), random: '2x12', padding: 'right', impl: 'original,eager,flash' });
  return runDiff(await prepareRun(config), inProcessRunners());
}

describe('what rounding explains', () => {
  it.each([
    ['qwen2-optimum', 'fp32', 'fp32'],
    ['qwen2-genai-fp16-cuda', 'fp16', 'fp16'],
    ['qwen2-optimum-fp16', 'fp16', 'fp16'],
    ['qwen2-int8', 'int8', 'fp32'],
    ['qwen2-qdq', 'int8', 'int8'],
  ] as const)('%s computes in %s, its attention in %s, and its rounding is not called a kernel’s fault', async (form, model, original) => {
    const report = await run(form);
    expect(report.model.precision).toBe(model);
    expect(report.implementations.find(({ name }) => name === 'original')!.precision).toBe(original);
    expect(report.findings.filter(({ code }) => code === 'local-divergence')).toEqual([]);
    expect(report.findings.filter(({ code }) => code === 'within-rounding' || code === 'identical' || code === 'propagation-only')).toHaveLength(2);
  });
});

describe('what TF32 explains', () => {
  afterEach(() => void delete process.env['NVIDIA_TF32_OVERRIDE']);

  const limitsOf = (implementation: string): RoundingLimits => {
    const { implementations: streams, reference } = parseRunOptions({ model: 'm', impl: `eager,${implementation}` });
    return roundingLimits('fp32', streams.map(({ label }) => ({ name: label, precision: 'fp32' })), streams, reference)(implementation);
  };

  it('CUDA’s float32 products may be off by as much as fp16’s, until TF32 is turned off', () => {
    expect(limitsOf('eager@cuda')).toEqual({ local: ROUNDING.fp16, accumulated: ROUNDING.fp16 });
    process.env['NVIDIA_TF32_OVERRIDE'] = '0';
    expect(limitsOf('eager@cuda')).toEqual({ local: ROUNDING.fp32, accumulated: ROUNDING.fp32 });
  });

  it('no other provider’s may', () => {
    for (const name of ['flash', 'eager@webgpu', 'eager@dml']) expect(limitsOf(name)).toEqual({ local: ROUNDING.fp32, accumulated: ROUNDING.fp32 });
  });
});

import { describe, expect, it } from 'vitest';
import { parseRunOptions } from '../../src/config/index.js';
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

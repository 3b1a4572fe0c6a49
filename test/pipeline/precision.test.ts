import { afterEach, describe, expect, it } from 'vitest';
import { parseRunOptions, type RawRunOptions } from '../../src/config/index.js';
import { ROUNDING, type RoundingLimits } from '../../src/metrics/index.js';
import { roundingLimits } from '../../src/pipeline/precision.js';
import { prepareRun } from '../../src/pipeline/prepare.js';
import { runDiff } from '../../src/pipeline/run.js';
import { inProcessRunners } from '../../src/runners/inProcess.js';
import type { DiffReport, Row } from '../../src/types.js';
import { fixture } from '../support/fixtures.js';

async function run(form: string, options: RawRunOptions = {}): Promise<DiffReport> {
  const config = parseRunOptions({
    model: fixture('forms', form),
    random: '2x12',
    padding: 'right',
    impl: 'original,eager,flash',
    ...options,
  });
  return runDiff(await prepareRun(config), inProcessRunners());
}

describe('what rounding explains', () => {
  it.each([
    ['qwen2-optimum', 'fp32', 'fp32'],
    ['qwen2-genai-fp16-cuda', 'fp16', 'fp16'],
    ['qwen2-optimum-fp16', 'fp16', 'fp16'],
    ['qwen2-int8', 'int8', 'fp32'],
    ['qwen2-qdq', 'int8', 'int8'],
  ] as const)(
    '%s computes in %s, its attention in %s, and its rounding is not called a kernel’s fault',
    async (form, model, original) => {
      const report = await run(form);
      expect(report.model.precision).toBe(model);
      expect(report.implementations.find(({ name }) => name === 'original')!.precision).toBe(
        original,
      );
      expect(report.findings.filter(({ code }) => code === 'local-divergence')).toEqual([]);
      expect(
        report.findings.filter(
          ({ code }) =>
            code === 'within-rounding' || code === 'identical' || code === 'propagation-only',
        ),
      ).toHaveLength(2);
    },
  );
});

describe('where activations are rounded', () => {
  it.each([
    ['the file’s own steps are rounded one by one', 'qwen2-optimum', 'bf16', 'bf16'],
    ['so are they to fp16', 'qwen2-optimum', 'fp16', 'fp16'],
    ['a fused node is rounded at its output', 'qwen2-genai-fp32-cpu', 'bf16', 'bf16'],
    ['rounding inside attention to 8 bits is coarser', 'qwen2-qdq', 'bf16', null],
  ] as const)(
    '%s, which is no fault of the kernel, and passes the gate',
    async (_, form, activations, emulated) => {
      const report = await run(form, { activations });
      const original = report.implementations.find(({ name }) => name === 'original')!;
      expect(original).toMatchObject(
        emulated === null
          ? { emulated: false }
          : {
              precision: emulated,
              emulated: true,
              rounding: { local: ROUNDING[emulated], accumulated: ROUNDING[emulated] },
            },
      );
      expect(report.findings.filter(({ code }) => code === 'local-divergence')).toEqual([]);
      expect(
        report.verdict.checks.filter(
          ({ implementation, passed }) => implementation === 'original' && !passed,
        ),
      ).toEqual([]);
    },
  );
});

describe('what TF32 explains', () => {
  afterEach(() => void delete process.env['NVIDIA_TF32_OVERRIDE']);

  const limitsOf = (implementation: string): RoundingLimits => {
    const { implementations: streams, reference } = parseRunOptions({
      model: 'm',
      impl: `eager,${implementation}`,
    });
    return roundingLimits(
      'fp32',
      streams.map(({ label }) => ({ name: label, precision: 'fp32' })),
      streams,
      reference,
    )(implementation);
  };

  it('CUDA’s float32 products may be off by as much as fp16’s, until TF32 is turned off', () => {
    expect(limitsOf('eager@cuda')).toEqual({ local: ROUNDING.fp16, accumulated: ROUNDING.fp16 });
    process.env['NVIDIA_TF32_OVERRIDE'] = '0';
    expect(limitsOf('eager@cuda')).toEqual({ local: ROUNDING.fp32, accumulated: ROUNDING.fp32 });
  });

  it('no other provider’s may', () => {
    for (const name of ['flash', 'eager@webgpu', 'eager@dml'])
      expect(limitsOf(name)).toEqual({ local: ROUNDING.fp32, accumulated: ROUNDING.fp32 });
  });
});

describe('the error against exact', () => {
  it("is that which exact's own difference from the reference shows, of every tap, and exact has none", async () => {
    const { rows, ranges, model } = await run('qwen2-optimum', { impl: 'eager,exact,flash' });
    const of = (implementation: string): Row[] =>
      rows.filter(
        (row) =>
          row.implementation === implementation &&
          row.scope === 'accumulated' &&
          row.kind === 'valid',
      );
    const [eager, exact] = [of('eager'), of('exact')];
    expect(new Set(exact.map(({ tap }) => tap))).toEqual(
      new Set(['attention', 'hidden', 'logits']),
    );
    expect(
      exact.map(({ exactMaxAbs, exactRelL2, exactBias }) => [exactMaxAbs, exactRelL2, exactBias]),
    ).toEqual(exact.map(() => [0, 0, 0]));
    expect(
      eager.map(({ layer, tap, exactMaxAbs, exactBias }) => [layer, tap, exactMaxAbs, exactBias]),
    ).toEqual(exact.map(({ layer, tap, maxAbs, bias }) => [layer, tap, maxAbs, -bias]));
    expect(eager.every(({ exactMaxAbs, maxAbs }) => exactMaxAbs > 0 && maxAbs === 0)).toBe(true);
    // 1/√D of the file's own scale factors, which it gives to Q and K in halves.
    for (const { maxScore, scaledScore } of ranges)
      expect(scaledScore / maxScore).toBeCloseTo(1 / Math.sqrt(model.headDim), 6);
  });
});

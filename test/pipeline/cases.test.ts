import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseRunOptions, type RawRunOptions } from '../../src/config/index.js';
import { overallEffects } from '../../src/metrics/index.js';
import { encodeModel } from '../../src/onnx/read.js';
import { inspect } from '../../src/pipeline/inspect.js';
import { prepareRun } from '../../src/pipeline/prepare.js';
import { runDiff } from '../../src/pipeline/run.js';
import { findingText } from '../../src/report/findingText.js';
import { inspectionText } from '../../src/report/index.js';
import { inProcessRunner, inProcessRunners } from '../../src/runners/inProcess.js';
import type { Cause, DiffReport, EffectRow, Finding } from '../../src/types.js';
import { fixture } from '../support/fixtures.js';
import { withWeights } from '../support/weights.js';

const DATA = fixture('reference', 'data.jsonl');

async function run(model: string, options: RawRunOptions): Promise<DiffReport> {
  return runDiff(await prepareRun(parseRunOptions({ model, ...options })), inProcessRunners());
}

/** Causes share one form. */
type Of<C extends Finding['code']> = C extends Cause
  ? Extract<Finding, { explained: number }>
  : Extract<Finding, { code: C }>;

function found<C extends Finding['code']>(
  report: DiffReport,
  code: C,
  implementation?: string,
): Of<C> {
  const finding = report.findings.find(
    (each) =>
      each.code === code &&
      (implementation === undefined ||
        ('implementation' in each && each.implementation === implementation)),
  );
  if (!finding)
    throw new Error(
      `no ${code} of ${implementation} among ${report.findings.map((each) => `${each.code} ${'implementation' in each ? each.implementation : ''}`).join(', ')}`,
    );
  return finding as Of<C>;
}

const codes = (report: DiffReport, implementation: string): string[] =>
  report.findings
    .filter((each) => 'implementation' in each && each.implementation === implementation)
    .map(({ code }) => code);
const told = (report: DiffReport, finding: Finding): string =>
  findingText(finding, report.reference);
const overall = (report: DiffReport): Record<string, EffectRow> =>
  Object.fromEntries(overallEffects(report.effects).map((row) => [row.implementation, row]));

describe('QwenLM/Qwen3 #874: flash gives zeros on padding, eager does not', () => {
  it('is by design, and valid tokens are judged apart', async () => {
    const report = await run(fixture('qwen2-optimum'), { random: '3x20', maxAbs: '1e-4' });
    expect(found(report, 'padding-by-design', 'flash')).toMatchObject({
      referenceZeroRows: 0,
      reference: 'eager',
    });
    expect(told(report, found(report, 'padding-by-design', 'flash'))).toMatch(
      /By design.*keep padding out of the loss/,
    );
    expect(codes(report, 'flash')).toContain('within-rounding');
    // transformers #27050: a parity test over all tokens failed; this one compares valid ones.
    expect(report.verdict.passed).toBe(true);
  });
});

describe('transformers #33317: scores past 65504', () => {
  const losses = (
    JSON.parse(readFileSync(fixture('reference', 'losses.json'), 'utf8')) as {
      models: Record<string, { perplexity: Record<string, number> }>;
    }
  ).models['tiny-qwen2-large-scores']!.perplexity;
  const IMPL = 'eager,eager:scores=fp32,sdpa,flash';

  it('fp16: eager is NaN from layer 1 on, where QKᵀ overflows; fp32 scores, sdpa and flash are within half a percent', async () => {
    const report = await run(fixture('qwen2-large-scores'), {
      data: DATA,
      precision: 'fp16',
      impl: IMPL,
      reference: 'exact',
    });
    const effects = overall(report);
    expect(effects['eager']!.perplexity).toBeNaN();
    for (const name of ['eager:scores=fp32', 'sdpa', 'flash', 'exact'])
      expect(Math.abs(effects[name]!.perplexity / losses['fp32.eager']! - 1)).toBeLessThan(0.005);
    // QwenLM/Qwen3 #910: "!" only. The layer, the head and the step are named.
    const overflow = found(report, 'score-overflow', 'eager');
    expect(overflow).toMatchObject({
      precision: 'fp16',
      origin: { layer: 1, step: 'scores', kind: 'overflow', value: 'inf' },
    });
    for (const at of ['row', 'head', 'query', 'key'] as const)
      expect(overflow.origin[at]).toBeTypeOf('number');
    expect(told(report, overflow)).toMatch(/scores=fp32|--scores-precision fp32/);
    expect(report.ranges.find(({ layer }) => layer === 1)!.headroom).toBeLessThan(1);
    expect(report.recommendation).toMatchObject({
      training: 'flash',
      weights: 'eager:scores=fp32',
      against: [{ implementation: 'eager', codes: ['score-overflow'] }],
    });
    expect(report.verdict.passed).toBe(false);
  });

  it('bf16: eager is clearly worse, by the rounding of its scores in layer 1, as Hugging Face in bf16 is', async () => {
    const report = await run(fixture('qwen2-large-scores'), {
      data: DATA,
      precision: 'bf16',
      impl: IMPL,
      reference: 'exact',
    });
    const effects = overall(report);
    expect(effects['eager']!.perplexity / losses['fp32.eager']!).toBeGreaterThan(1.03);
    expect(Math.abs(effects['eager']!.perplexity / losses['bf16.eager']! - 1)).toBeLessThan(0.005);
    for (const name of ['eager:scores=fp32', 'sdpa', 'flash'])
      expect(Math.abs(effects[name]!.perplexity / losses['fp32.eager']! - 1)).toBeLessThan(0.005);
    const cause = found(report, 'low-precision-scores', 'eager');
    expect(cause).toMatchObject({
      layers: [1],
      against: 'exact',
      deviation: { kind: 'scores-precision', to: 'bf16' },
    });
    expect(told(report, cause)).toMatch(/scores=fp32/);
  });

  it('bf16, with eager as the reference: it is the reference that is wrong', async () => {
    const report = await run(fixture('qwen2-large-scores'), {
      data: DATA,
      batchSize: '24',
      precision: 'bf16',
      impl: 'eager,sdpa',
    });
    expect(found(report, 'low-precision-scores')).toMatchObject({
      implementation: 'eager',
      against: 'sdpa',
      layers: [1],
    });
  });
});

describe('QwenLM/Qwen3 #674: hidden states part more and more towards the head', () => {
  it('is propagation where every kernel stays within rounding', async () => {
    const prepared = await prepareRun(
      parseRunOptions({ model: fixture('qwen2-optimum'), random: '4x60', impl: 'eager,flash' }),
    );
    // Sharper attention amplifies what enters it.
    const projections = [0, 1, 2, 3].flatMap((layer) =>
      ['q_proj', 'k_proj'].map((name) => `/model/layers.${layer}/self_attn/${name}/MatMul`),
    );
    const loaded = withWeights(
      prepared.loaded,
      Object.fromEntries(projections.map((name) => [name, (value: number) => 12 * value])),
    );
    const unmodified = { bytes: encodeModel(loaded.graph.model), folder: loaded.folder };
    const report = await runDiff(
      { ...prepared, loaded: { ...loaded, unmodified } },
      inProcessRunners(),
    );
    const finding = found(report, 'propagation-only', 'flash');
    expect(finding.localRelL2).toBeLessThan(1e-5);
    expect(finding.accumulatedRelL2).toBeGreaterThan(1e-5);
    expect(told(report, finding)).toContain('no kernel is to blame');
  });
});

describe('transformers #38690: rows of nothing but masked scores', () => {
  it('the file’s own −inf mask gives NaN at layer 0, on valid rows one layer later', async () => {
    const report = await run(fixture('qwen2-eager-inf'), {
      random: '3x16',
      padding: 'left',
      impl: 'original,eager',
    });
    const finding = found(report, 'fully-masked-nan', 'original');
    expect(finding).toMatchObject({ layer: 0, spreadsToValidAtLayer: 1 });
    expect(told(report, finding)).toMatch(/Fill the mask with a finite number/);
  });

  it('pytorch #103749, #110213: the zero rule cures it', async () => {
    const report = await run(fixture('qwen2-optimum'), {
      random: '3x16',
      padding: 'left',
      impl: 'eager:fill=-inf,sdpa',
      reference: 'sdpa',
    });
    expect(found(report, 'fully-masked-nan', 'eager:fill=-inf')).toMatchObject({
      layer: 0,
      spreadsToValidAtLayer: 1,
    });
    expect(
      report.rows.filter(
        ({ implementation, nan, inf }) => implementation === 'sdpa' && nan + inf > 0,
      ),
    ).toEqual([]);
  });
});

describe('onnxruntime #28904, #27831, #29020: the operator Attention', () => {
  it('is named, and its fully masked rows are told apart', async () => {
    const report = await run(fixture('qwen2-dynamo'), {
      random: '3x16',
      padding: 'left',
      impl: 'original,eager',
    });
    expect(report.implementations.find(({ name }) => name === 'original')).toMatchObject({
      kernel: 'Attention',
      evidence: expect.stringMatching(/^profile/) as string,
    });
    expect(found(report, 'padding-by-design', 'original')).toMatchObject({ referenceZeroRows: 0 });
  });

  it('aligns its own causal mask top-left where keys come before the queries', async () => {
    const report = await run(fixture('qwen2-optimum'), {
      prompt: ['The quick brown fox jumps over the lazy dog.'],
      past: '8',
      impl: 'eager,sdpa:mask=causal,flash',
    });
    const finding = found(report, 'causal-alignment', 'sdpa:mask=causal');
    expect(finding).toMatchObject({
      against: 'eager',
      deviation: { kind: 'alignment', to: 'top-left' },
      firstToken: 8,
    });
    expect(finding.layers).toContain(0);
    expect(codes(report, 'flash')).toContain('within-rounding');
  });
});

describe('sliding windows', () => {
  const MODEL = fixture('forms', 'qwen2-window-optimum');

  it('transformers #35924: eager lost the window: only past it, only in the layers that have one', async () => {
    const report = await run(MODEL, {
      random: '2x20',
      padding: 'right',
      impl: 'eager:window=none,flash',
      reference: 'flash',
    });
    const finding = found(report, 'window-mismatch', 'eager:window=none');
    expect(finding).toMatchObject({
      layers: [1],
      firstToken: 6,
      deviation: { kind: 'window', to: null },
    });
    expect(told(report, finding)).toMatch(/window/);
  });

  it('transformers #39408: flash’s window is one short: from the window’s very edge on', async () => {
    const report = await run(MODEL, {
      random: '2x20',
      padding: 'right',
      impl: 'eager,flash:window=5',
    });
    expect(found(report, 'window-mismatch', 'flash:window=5')).toMatchObject({
      layers: [1],
      firstToken: 5,
      deviation: { kind: 'window', to: 5 },
    });
  });

  it('a file that does not slide where config.json says so', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'attn-diff-cases-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    cpSync(fixture('qwen2-optimum'), folder, { recursive: true });
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as object;
    writeFileSync(
      join(folder, 'config.json'),
      JSON.stringify({
        ...config,
        use_sliding_window: true,
        sliding_window: 8,
        max_window_layers: 2,
        layer_types: null,
      }),
    );
    const report = await run(folder, { random: '2x16', padding: 'right', impl: 'eager,flash' });
    expect(found(report, 'window-not-as-configured')).toMatchObject({
      layers: [2, 3],
      expected: 8,
      found: null,
    });
  });
});

describe('onnxruntime #18283: GroupQueryAttention and left padding', () => {
  it('the file’s own node is wrong on it, and flash, which unpads first, is not', async () => {
    const report = await run(fixture('forms', 'qwen2-genai-fp32-cpu'), {
      random: '3x16',
      padding: 'left',
      impl: 'eager,original,flash',
    });
    const finding = found(report, 'padding-side', 'original');
    expect(finding.layers).toContain(0);
    expect(told(report, finding)).toMatch(/pad/i);
    expect(codes(report, 'flash')).toContain('within-rounding');
  });
});

describe('optimum-onnx #77: an IsNaN in the exported graph', () => {
  it('inspect names it: the guard for fully masked rows', async () => {
    const inspection = await inspect(fixture('qwen2-optimum'), inProcessRunner());
    expect(inspection.layers.every(({ nanGuard }) => nanGuard)).toBe(true);
    expect(inspectionText(inspection, { width: 120, color: false })).toMatch(/NaN/);
  });
});

describe('onnxruntime #29714: a parity test passed through another kernel', () => {
  it('the kernel that ran is in the report, with what shows it', async () => {
    const report = await run(fixture('qwen2-optimum'), { random: '2x8', padding: 'right' });
    expect(report.implementations.map(({ name, kernel }) => [name, kernel])).toEqual([
      ['eager', 'MatMul → Softmax → MatMul'],
      ['sdpa', 'Attention'],
      ['flash', 'GroupQueryAttention (flash)'],
    ]);
    for (const { evidence, proof } of report.implementations)
      expect([evidence, proof]).toEqual([
        expect.stringMatching(/^profile: \d+ nodes on cpu/),
        'confirmed',
      ]);
  });
});

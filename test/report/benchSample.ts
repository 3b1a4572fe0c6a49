import { BENCH_SCHEMA, type BenchReport, type BenchRow } from '../../src/bench.js';
import { sampleModel, sampleReport } from './sample.js';

/** A bench made by hand: a baseline, an emulated precision, a GPU whose kernel hangs on the length, a fallback, and a failure. */
export function sampleBench(): BenchReport {
  const model = sampleModel();
  const { environment } = sampleReport();
  const [gpu, cpu] = [
    { provider: 'webgpu', kernel: 'attention' },
    { provider: 'cpu', kernel: null },
  ] as const;
  return {
    schema: BENCH_SCHEMA,
    model,
    environment,
    settings: { lengths: [64, 1024], batch: 4, repeat: 5, warmup: 1, timeout: 600 },
    baseline: 'original',
    rows: [
      row('original', 64, timed(0.0205, 1, 410)),
      row('eager:precision=bf16', 64, {
        ...timed(0.041, 2, 512),
        precision: 'bf16',
        emulated: true,
      }),
      row('flash@webgpu', 64, {
        ...timed(0.0004125, 0.0201, 88.2),
        asked: { ...gpu, kernel: 'flash' },
        kernel: 'GroupQueryAttention (FlashAttentionDecodeQKV)',
        provider: 'webgpu',
        evidence: 'profile: 4 nodes on webgpu in fp32',
      }),
      row('sdpa@webgpu', 64, {
        ...timed(0.031, 1.512, 300),
        asked: gpu,
        kernel: 'Attention',
        evidence: 'profile: 4 nodes on cpu in fp32',
        proof: 'fallback',
        reason: 'other-provider',
      }),
      row('flash:window=none', 64, {
        ...timed(0.02, 0.976, 400),
        proof: 'not-provable',
        reason: 'no-profile',
        kernel: 'unknown',
        provider: 'unknown',
        ran: [],
        evidence: 'no profile could be taken',
      }),
      row('original', 1024, { ...timed(1.234, 1, 2410, 2410) }),
      row('eager:precision=bf16', 1024, {
        asked: cpu,
        precision: 'bf16',
        emulated: true,
        written: 'bf16',
        ran: [],
        kernel: 'unknown',
        provider: 'unknown',
        evidence: 'it did not run',
        proof: 'not-provable',
        reason: 'failed',
        failure: {
          kind: 'out-of-memory',
          problem: 'SIGKILL',
          stage: 'timing a forward pass',
          batch: '1024',
        },
      }),
      row('flash@webgpu', 1024, {
        ...timed(0.0123, 0.00997, 90, 2410),
        asked: { ...gpu, kernel: 'flash' },
        kernel: 'GroupQueryAttention (FlashAttention)',
        provider: 'webgpu',
        evidence: 'profile: 4 nodes on webgpu in fp32',
      }),
      row('sdpa@webgpu', 1024, {
        ...timed(2.2, 1.78, 3000, 2410),
        asked: gpu,
        kernel: 'Attention',
        evidence: 'profile: 4 nodes on cpu in fp32',
        proof: 'fallback',
        reason: 'other-provider',
      }),
      row('flash:window=none', 1024, {
        ...timed(1, 0.81, 2000, 2410),
        kernel: 'GroupQueryAttention (flash)',
        evidence: 'profile: 4 nodes on cpu in fp32',
      }),
    ],
  };
}

function timed(
  median: number,
  ratio: number,
  peakMiB: number,
  baselineMiB = 410,
): Partial<BenchRow> {
  return {
    seconds: { median, min: median * 0.9, max: median * 1.5, mad: median / 32 },
    ratio,
    peakMiB,
    memoryRatio: peakMiB / baselineMiB,
  };
}

function row(implementation: string, length: number, given: Partial<BenchRow>): BenchRow {
  const seconds = given.seconds ?? null;
  return {
    implementation,
    asked: { provider: 'cpu', kernel: null },
    kernel: 'MatMul → Softmax → MatMul',
    provider: 'cpu',
    precision: 'fp32',
    emulated: false,
    written: 'fp32',
    ran: ['fp32'],
    evidence: 'profile: 12 nodes on cpu in fp32',
    proof: 'confirmed',
    reason: null,
    length,
    batch: 4,
    seconds,
    tokensPerSecond: seconds && (4 * length) / seconds.median,
    ratio: null,
    peakMiB: null,
    memoryRatio: null,
    failure: null,
    ...given,
  };
}

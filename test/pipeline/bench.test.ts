import { describe, expect, it } from 'vitest';
import { streamOf } from '../../src/attention/settings.js';
import type { BenchReport } from '../../src/bench.js';
import { fullBatch } from '../../src/batch/index.js';
import { parseBenchOptions } from '../../src/config/index.js';
import { AttnDiffError } from '../../src/errors.js';
import { decodeModel } from '../../src/onnx/read.js';
import { prepareBench, runBench } from '../../src/pipeline/bench.js';
import { agreement } from '../../src/pipeline/agreement.js';
import { benchModel } from '../../src/pipeline/benchModel.js';
import { loadModel } from '../../src/pipeline/load.js';

import { resolveSites } from '../../src/pipeline/resolve.js';
import { benchSchema } from '../../src/report/benchSchema.js';
import { BENCH_FORMATS } from '../../src/report/index.js';
import { inProcessRunner, inProcessRunners } from '../../src/runners/inProcess.js';
import type { Runner, Runners } from '../../src/runners/types.js';
import type { Progress } from '../../src/pipeline/run.js';
import { IMPLEMENTATIONS, type Stream } from '../../src/types.js';
import { fixture } from '../support/fixtures.js';

async function bench(
  options: Parameters<typeof parseBenchOptions>[0],
  runners: Runners = inProcessRunners(),
  progress: Progress[] = [],
): Promise<BenchReport> {
  const config = parseBenchOptions({
    model: fixture('qwen2-optimum'),
    lengths: '8,16',
    repeat: '2',
    ...options,
  });
  return runBench(await prepareBench(config), runners, (each) => progress.push(each));
}

/** Runners whose n-th process, counted from 0, fails at a step. */
function failing(n: number, step: 'open' | 'measure', error: AttnDiffError): Runners {
  const runners = inProcessRunners();
  let made = 0;
  const fail = async (): Promise<never> => {
    throw error;
  };
  return {
    ...runners,
    fresh: (place): Runner => {
      const runner = runners.fresh(place);
      if (made++ !== n) return runner;
      return step === 'open'
        ? { ...runner, open: fail }
        : {
            ...runner,
            open: async (...args) => ({ ...(await runner.open(...args)), measure: fail }),
          };
    },
  };
}

const crash = new AttnDiffError('runner-crashed', {
  stage: 'timing a forward pass',
  signal: 'SIGSEGV',
});

describe('a bench', () => {
  it('has a row for every implementation at every length, in the order asked for', async () => {
    const progress: Progress[] = [];
    const report = await bench(
      { lengths: '16,8', batch: '2', impl: 'flash,original,eager' },
      inProcessRunners(),
      progress,
    );
    expect(report.rows.map(({ length, implementation }) => `${length} ${implementation}`)).toEqual([
      '16 flash',
      '16 original',
      '16 eager',
      '8 flash',
      '8 original',
      '8 eager',
    ]);
    for (const {
      seconds,
      tokensPerSecond,
      length,
      batch,
      ratio,
      peakMiB,
      failure,
      proof,
    } of report.rows) {
      expect({ batch, failure, proof }).toEqual({ batch: 2, failure: null, proof: 'confirmed' });
      expect(
        seconds!.min > 0 &&
          seconds!.min <= seconds!.median &&
          seconds!.median <= seconds!.max &&
          seconds!.mad >= 0,
      ).toBe(true);
      expect(tokensPerSecond).toBe((2 * length) / seconds!.median);
      expect(ratio).toBeGreaterThan(0);
      expect(Number.isFinite(peakMiB)).toBe(true);
    }
    expect(report).toMatchObject({
      baseline: 'original',
      settings: { lengths: [16, 8], batch: 2, repeat: 2, warmup: 1, timeout: null },
    });
    expect(
      progress.every(({ done, total }, i) => done === i && total === progress.length - 1),
    ).toBe(true);
    expect(() =>
      benchSchema.parse(JSON.parse(BENCH_FORMATS.json(report, { width: 80, color: false }))),
    ).not.toThrow();
  });

  it('takes ratios against the file as it is, whose own are exactly 1', async () => {
    const { rows } = await bench({ impl: 'sdpa' });
    expect(rows.map(({ implementation }) => implementation)).toEqual([
      'original',
      'sdpa',
      'original',
      'sdpa',
    ]);
    expect([rows[0]!.ratio, rows[2]!.ratio]).toEqual([1, 1]);
    for (const [i, { seconds, ratio, peakMiB, memoryRatio }] of rows.entries()) {
      const base = rows[i - (i % 2)]!;
      expect(ratio).toBe(seconds!.median / base.seconds!.median);
      expect(memoryRatio).toBe(peakMiB! / base.peakMiB!);
    }
  });

  it('names the kernels, and says which precision is emulated', async () => {
    const { rows } = await bench({ impl: 'eager:precision=bf16,flash', lengths: '8' });
    expect(
      rows.map(({ kernel, precision, emulated }) => ({ kernel, precision, emulated })),
    ).toEqual([
      { kernel: 'MatMul → Softmax → MatMul', precision: 'fp32', emulated: false },
      { kernel: 'MatMul → Softmax → MatMul', precision: 'bf16', emulated: true },
      { kernel: 'GroupQueryAttention (flash)', precision: 'fp32', emulated: false },
    ]);
  });

  it.each(['open', 'measure'] as const)(
    'goes on where an implementation fails to %s, which is a row',
    async (step) => {
      const { rows } = await bench(
        { impl: 'original,eager:precision=bf16,flash' },
        failing(1, step, crash),
      );
      expect(rows.map(({ failure }) => failure?.kind ?? null)).toEqual([
        null,
        'crashed',
        null,
        null,
        null,
        null,
      ]);
      expect(rows[1]).toMatchObject({
        implementation: 'eager:precision=bf16',
        length: 8,
        precision: 'bf16',
        emulated: true,
        proof: 'not-provable',
        reason: 'failed',
        seconds: null,
        tokensPerSecond: null,
        ratio: null,
        peakMiB: null,
        memoryRatio: null,
        failure: {
          kind: 'crashed',
          problem: 'SIGSEGV',
          stage: 'timing a forward pass',
          batch: '8',
        },
      });
    },
  );

  it('has no ratios at a length where the baseline fails', async () => {
    const { rows } = await bench({ impl: 'original,eager' }, failing(0, 'open', crash));
    expect(rows.map(({ ratio, seconds }) => [ratio === null, seconds === null])).toEqual([
      [true, true],
      [true, false],
      [false, false],
      [false, false],
    ]);
  });

  it('is an error where nothing could be measured, and at once where it is not the implementation', async () => {
    await expect(bench({ impl: 'original', lengths: '8' }, failing(0, 'open', crash))).rejects.toBe(
      crash,
    );
    const interrupted = new AttnDiffError('interrupted', { kept: null });
    await expect(bench({}, failing(1, 'measure', interrupted))).rejects.toBe(interrupted);
  });

  it.each([
    [{ lengths: '8,257' }, { code: 'bad-option', args: { option: '--lengths', value: '257' } }],
    [{ impl: 'flash@cuda' }, { code: 'not-buildable', args: { implementation: 'flash@cuda' } }],
    [
      { impl: 'eager:window=4' },
      { code: 'not-buildable', args: { implementation: 'eager:window=4' } },
    ],
  ])('refuses %j', async (options, error) => {
    await expect(bench(options)).rejects.toMatchObject(error);
  });

  it('runs the file where its own nodes take no padding, since here there is none', async () => {
    const { rows } = await bench({
      model: fixture('forms', 'qwen2-window-genai-fp32-cpu'),
      impl: 'original',
      lengths: '32',
    });
    expect(rows).toMatchObject([{ implementation: 'original', failure: null }]);
  });
});

describe('what is timed', () => {
  const runner = inProcessRunner();

  it.each(IMPLEMENTATIONS.filter((name) => name !== 'original'))(
    '%s: gives the logits of the unmodified file, and holds neither probe nor local copy',
    async (name) => {
      const loaded = await loadModel(fixture('qwen2-optimum'));
      const sites = await resolveSites(loaded, runner);
      const batch = fullBatch({ size: 2, length: 16, vocabSize: loaded.sizes.vocabSize });
      const logitsOf = async (stream: Stream) => {
        const {
          model,
          feeds,
          outputs: [logits],
        } = await benchModel(loaded, sites, stream, batch);
        const session = await runner.open({ model, prepack: true }, 'test');
        const outputs = await session.run(feeds);
        await session.close();
        return { model, outputs, logits: outputs[logits!]! };
      };
      const own = await logitsOf(streamOf(name));
      const file = await logitsOf(streamOf('original'));
      expect(own.logits.dims).toEqual(file.logits.dims);
      // Rounding of float32: sums in another order.
      expect(
        agreement(own.logits.data as Float32Array, file.logits.data as Float32Array).relL2,
      ).toBeLessThanOrEqual(1e-6);
      expect(Object.keys(own.outputs)).toEqual(['logits']);
      const { node } = decodeModel((own.model as { bytes: Uint8Array }).bytes, 'test').graph!;
      const added = node.map((each) => each.name).filter((each) => each.startsWith('attn_diff/'));
      expect(added.length).toBeGreaterThan(0);
      expect(added.filter((each) => /\/(probe|local|variant)\b/.test(each))).toEqual([]);
      expect(
        node.filter(({ opType }) => opType === 'Softmax' || opType.endsWith('Attention')),
      ).toHaveLength(4);
    },
  );

  it('has no padding, and other tokens in every row', () => {
    const { kinds, inputIds, size, length, name } = fullBatch({
      size: 3,
      length: 9,
      vocabSize: 500,
    });
    expect({ size, length, name }).toEqual({ size: 3, length: 9, name: '9' });
    expect(kinds.every((kind) => kind === 'valid')).toBe(true);
    expect(inputIds.slice(0, 9)).not.toEqual(inputIds.slice(9, 18));
  });
});

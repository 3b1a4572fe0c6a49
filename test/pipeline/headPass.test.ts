import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { buildProbe, PROBE_ROWS } from '../../src/attention/probes.js';
import { rebuild } from '../../src/attention/rebuild.js';
import { streamOf } from '../../src/attention/settings.js';
import { buildBatch, rebuildProbeBatch } from '../../src/batch/index.js';
import { effectRows, hasTarget } from '../../src/metrics/index.js';
import { loadTokenizer } from '../../src/model/index.js';
import { OnnxGraph } from '../../src/onnx/graph.js';
import { diffFeeds } from '../../src/pipeline/feeds.js';
import { openHead, type HeadResult } from '../../src/pipeline/headPass.js';
import { loadModel, type LoadedModel } from '../../src/pipeline/load.js';
import { resolveSites } from '../../src/pipeline/resolve.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import { modelRequest } from '../../src/runners/modelRequest.js';
import {
  PADDING_SIDES,
  type Batch,
  type ImplementationName,
  type TensorData,
} from '../../src/types.js';
import { FIXTURES, fixture, reference } from '../support/fixtures.js';
import { readSafetensors } from '../support/safetensors.js';
import { compute, tinyModel } from '../support/tinyGraph.js';

interface HeadRun {
  result: HeadResult;
  /** The same logits, whole, of all streams. */
  logits: Float64Array;
}

const runner = inProcessRunner();

/**
 * Runs batches through a rebuilt model and its head; the first stream is the reference, the last the truth.
 *
 * @param chunks sizes of chunk to try one after another, in tokens; null for the product's own
 * @returns a run for every batch and size
 */
async function run(
  loaded: LoadedModel,
  batches: readonly Batch[],
  names: readonly ImplementationName[],
  chunks: readonly (number | null)[] = [null],
): Promise<HeadRun[]> {
  const { sizes, inputs, folder } = loaded;
  const sites = await resolveSites(loaded, runner);
  const streams = names.map((name) => streamOf(name));
  const logits = loaded.logits!.name;
  const roles = { streams, reference: names[0]!, truth: names.at(-1)! };
  const heads = chunks.map((tokens) =>
    openHead({
      ...roles,
      graph: loaded.graph,
      logits,
      width: sizes.vocabSize,
      folder,
      ...(tokens === null ? {} : { chunkElements: tokens * sizes.vocabSize * names.length }),
    }),
  );
  const head = heads[0]!;
  const diff = rebuild({
    ...roles,
    graph: head.graph,
    sites,
    sizes,
    keep: [...new Set([head.cut, logits])],
  });
  const session = await runner.open(modelRequest(diff.model, folder), 'test');
  const passes = await Promise.all(heads.map((each) => each.open(runner)));
  const runs: HeadRun[] = [];
  for (const [i, batch] of batches.entries()) {
    const outputs = await session.run(diffFeeds(inputs, sizes, diff, batch));
    for (const pass of passes)
      runs.push({
        result: await pass.run(outputs[pass.cut]!, batch, i),
        logits: numbers(outputs[logits]!),
      });
  }
  await Promise.all([session, ...passes].map((each) => each.close()));
  return runs;
}

function numbers({ data }: TensorData): Float64Array {
  return Float64Array.from(data as Float32Array);
}

/** −ln p of a target, in float64. */
function nllOf(logits: Float64Array, target: number): number {
  const most = logits.reduce((a, b) => Math.max(a, b));
  return Math.log(logits.reduce((sum, x) => sum + Math.exp(x - most), 0)) + most - logits[target]!;
}

/** Largest |a − b| / |b|; NaN in one place only is Infinity. */
function relative(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Array.from(a, (x, i) =>
    Object.is(x, b[i]) || x === b[i]
      ? 0
      : Number.isNaN(x) === Number.isNaN(b[i])
        ? Math.abs(x - b[i]!) / Math.abs(b[i]!)
        : Infinity,
  ).reduce((worst, x) => Math.max(worst, x), 0);
}

describe.each(FIXTURES)('%s', (name) => {
  it('has the probes that the whole logits have, NaN included', async () => {
    const { batch } = reference('left');
    const names = ['eager', 'original', 'exact'] as const;
    const [{ result, logits }] = (await run(await loadModel(fixture(name)), [batch], names)) as [
      HeadRun,
    ];
    const size = logits.length / 3;
    const feeds = Object.fromEntries(
      names.map((each, i) => [
        each,
        {
          type: 'float64' as const,
          dims: [batch.size, batch.length, size / (batch.size * batch.length)],
          data: logits.slice(i * size, (i + 1) * size),
        },
      ]),
    );
    const [whole] = await compute(feeds, (builder) => [
      buildProbe(builder, names, 'eager', 'BSD', 'exact'),
    ]);
    const tokens = batch.size * batch.length;
    for (const [row, key] of PROBE_ROWS.entries()) {
      for (const [i, stats] of result.stats.entries()) {
        const expected = (whole!.data as Float64Array).subarray(
          (row * 3 + i) * tokens,
          (row * 3 + i + 1) * tokens,
        );
        const found =
          key === 'maxAbs' || key === 'maxAbsExact'
            ? stats[key].map((x, t) => (stats.nan[t]! > 0 ? expected[t]! : x))
            : stats[key];
        expect([key, names[i], relative(found, expected) <= 1e-13]).toEqual([key, names[i], true]);
      }
    }
    const broken = result.stats[1]!.nan.some((count) => count > 0);
    expect(broken).toBe(name === 'qwen2-eager-inf');
    expect(result.stats[1]!.maxAbs.some(Number.isNaN)).toBe(broken);
    expect(result.stats.map(({ tap, scope, layer, width }) => [tap, scope, layer, width])).toEqual(
      names.map(() => ['logits', 'accumulated', null, 512]),
    );
    expect(result.stats[1]!.l2Ref).toEqual(result.stats[0]!.l2);
  });

  it.each(PADDING_SIDES)(
    'predicts the next token as Hugging Face’s eager does, padded on the %s',
    async (side) => {
      const { batch, tensors } = reference(side);
      const { shape, data } = tensors.get('eager.logits')!;
      const width = shape[2]!;
      const [{ result }] = (await run(
        await loadModel(fixture(name)),
        [batch],
        ['eager', 'exact'],
      )) as [HeadRun];
      const { nll, top1 } = result.effects[0]!;
      const counted = [...nll.keys()].filter((token) => hasTarget(batch, token));
      expect(counted.length).toBe(42);
      for (const token of counted) {
        const logits = Float64Array.from(data as Float32Array).slice(
          token * width,
          (token + 1) * width,
        );
        expect(
          Math.abs(nll[token]! - nllOf(logits, Number(batch.inputIds[token + 1]))),
        ).toBeLessThanOrEqual(1e-5);
        expect(top1[token]).toBe(logits.indexOf(Math.max(...logits)));
      }
    },
  );
});

describe('chunks', () => {
  it.each([
    'qwen2-optimum',
    'qwen2-int8',
    'qwen2-qdq',
    'qwen2-q4',
    'qwen2-genai-int4-cpu',
    'qwen2-fp16',
    'qwen2-optimum-fp16',
    'qwen2-genai-fp16-cuda',
  ])('of any size give the whole logits’ numbers: %s', async (form) => {
    const loaded = await loadModel(fixture('forms', form));
    const { vocabSize } = loaded.sizes;
    const batch = rebuildProbeBatch(vocabSize, ['right']);
    const names = ['eager', 'sdpa', 'exact'] as const;
    for (const { result, logits } of await run(loaded, [batch], names, [
      0,
      1,
      3,
      batch.size * batch.length - 1,
      1e6,
    ])) {
      for (const [i, { nll }] of result.effects.entries()) {
        const own = logits.subarray((i * logits.length) / 3, ((i + 1) * logits.length) / 3);
        const tokenLogits = [...nll.keys()].map((token) =>
          own.slice(token * vocabSize, (token + 1) * vocabSize),
        );
        const targets = [...nll.keys()].map((token) =>
          hasTarget(batch, token) ? Number(batch.inputIds[token + 1]) : 0,
        );
        expect(
          relative(
            nll,
            tokenLogits.map((x, token) => nllOf(x, targets[token]!)),
          ),
        ).toBeLessThanOrEqual(1e-12);
        expect(
          relative(
            result.stats[i]!.l2,
            tokenLogits.map((x) => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0))),
          ),
        ).toBeLessThanOrEqual(1e-13);
      }
    }
  });
});

interface Losses {
  batchSize: number;
  models: Record<
    string,
    {
      batches: {
        targets: number;
        loss: Record<string, number>;
        leftPadded: Record<string, number>;
      }[];
    }
  >;
}

describe.each([
  ['qwen2-optimum', 'tiny-qwen2'],
  ['qwen2-dynamo', 'tiny-qwen2'],
  ['qwen2-large-scores', 'tiny-qwen2-large-scores'],
])('%s', (name, model) => {
  it.each(PADDING_SIDES)(
    'has the losses that transformers has on held-out lines, padded on the %s',
    async (padding) => {
      const { batchSize, models } = JSON.parse(
        readFileSync(fixture('reference', 'losses.json'), 'utf8'),
      ) as Losses;
      const loaded = await loadModel(fixture(name));
      const { encode, padTokenId } = await loadTokenizer(loaded.source);
      const sequences = readFileSync(fixture('reference', 'data.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => encode((JSON.parse(line) as { text: string }).text));
      const expected = models[model]!.batches;
      const batches = expected.map((_, i) =>
        buildBatch({
          sequences: sequences.slice(i * batchSize, (i + 1) * batchSize),
          padding,
          padTokenId,
          length: null,
          source: 'data',
          name: `${i}`,
        }),
      );
      const effects = (await run(loaded, batches, ['eager', 'sdpa', 'exact'])).flatMap(
        ({ result }) => result.effects,
      );
      for (const row of effectRows(effects, batches, 'eager').filter(
        ({ implementation }) => implementation !== 'exact',
      )) {
        const { targets, loss, leftPadded } = expected[Number(row.batch)]!;
        const theirs =
          row.implementation === 'sdpa'
            ? loss['fp32.sdpa']!
            : padding === 'left'
              ? leftPadded['fp32.eager']!
              : loss['fp32.eager']!;
        expect(row.targets).toBe(targets);
        expect(Math.abs(row.loss - theirs)).toBeLessThanOrEqual(5e-7);
      }
    },
  );
});

/** Runs a head that has nothing but the probes; the first label is the reference and the truth. */
async function runLogits(
  stacked: TensorData,
  labels: readonly string[],
  batch: Batch,
): Promise<HeadResult> {
  const { model, outputs } = tinyModel({ stacked }, (builder) => [
    builder.op('Identity', ['stacked']),
  ]);
  const vocabSize = stacked.dims[2]!;
  const head = openHead({
    graph: new OnnxGraph(model),
    logits: outputs[0]!,
    streams: labels.map((label) => streamOf('eager', {}, label)),
    reference: labels[0]!,
    truth: labels[0]!,
    width: vocabSize,
    folder: '.',
    chunkElements: 7 * vocabSize * labels.length,
  });
  const pass = await head.open(runner);
  const result = await pass.run(stacked, batch, 0);
  await pass.close();
  return result;
}

describe('a graph without a head that can be cut off', () => {
  it.each([0, 1, 2, 3, 4])('keeps the NaN of logit %i', async (place) => {
    const batch = buildBatch({
      sequences: [[1, 2]],
      padding: 'right',
      padTokenId: 0,
      length: null,
      source: 'test',
      name: 'x',
    });
    const data = new Float32Array(20).fill(1);
    data[10 + place] = NaN;
    const { stats, effects } = await runLogits(
      { type: 'float32', dims: [2, 2, 5], data },
      ['eager', 'sdpa'],
      batch,
    );
    const { maxAbs, maxAbsExact, nan } = stats[1]!;
    expect([[...maxAbs], [...maxAbsExact], [...nan]]).toEqual([
      [NaN, 0],
      [NaN, 0],
      [1, 0],
    ]);
    expect(effectRows(effects, [batch], 'eager')).toMatchObject([
      { targets: 1, flips: 0 },
      { loss: NaN, perplexity: NaN, kl: NaN, flips: 1 },
    ]);
  });

  it('gives the losses, KL and flips that torch finds in the same logits', async () => {
    const { batch, tensors } = reference('left');
    const low = (['bf16', 'fp16'] as const).map((precision) =>
      readSafetensors(fixture('reference', 'lowPrecision', `${precision}.left.safetensors`)),
    );
    const logits = [
      tensors.get('eager.logits')!,
      low[0]!.get('eager.logits')!,
      low[0]!.get('sdpa.logits')!,
      low[1]!.get('eager.logits')!,
    ];
    const width = logits[0]!.shape[2]!;
    const stacked: TensorData = {
      type: 'float32',
      dims: [batch.size * logits.length, batch.length, width],
      data: Float32Array.from(logits.flatMap(({ data }) => [...(data as Float32Array)])),
    };
    const labels = ['fp32', 'bf16.eager', 'bf16.sdpa', 'fp16.eager'];
    const { effects } = await runLogits(stacked, labels, batch);
    // log_softmax and kl_div(log_target=True, reduction='batchmean') in float64, torch 2.13.0; argmax of numpy.
    const expected = [
      { loss: 1.193838000929877, kl: 0, flips: 0 },
      { loss: 1.197291708776076, kl: 5.479666270235073e-5, flips: 1 },
      { loss: 1.197176741621601, kl: 6.501436678272611e-5, flips: 1 },
      { loss: 1.1934461275716428, kl: 1.0513276952508755e-6, flips: 0 },
    ];
    for (const [i, row] of effectRows(effects, [batch], 'fp32').entries()) {
      expect(row).toMatchObject({
        implementation: labels[i],
        targets: 42,
        flips: expected[i]!.flips,
      });
      expect(row.loss).toBeCloseTo(expected[i]!.loss, 12);
      expect(row.perplexity).toBeCloseTo(Math.exp(expected[i]!.loss), 11);
      expect(row.kl).toBeCloseTo(expected[i]!.kl, 14);
    }
  });
});

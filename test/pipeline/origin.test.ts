import { describe, expect, it } from 'vitest';
import { streamOf } from '../../src/attention/settings.js';
import type { LoadedModel } from '../../src/pipeline/load.js';
import { traceOrigins } from '../../src/pipeline/origin.js';
import { lookAgain } from '../../src/pipeline/lookAgain.js';
import type { Finding } from '../../src/types.js';
import { jobFor } from '../../src/pipeline/originJob.js';
import { tapOrigin } from '../../src/pipeline/originTap.js';
import {
  attentionInputs,
  contextOf,
  findingsOf,
  left,
  originOf,
  right,
  short,
  traced,
} from '../support/origins.js';
import { firstScore, FP16_LIMIT, isMasked, type Scores } from '../support/scores.js';
import { withWeights } from '../support/weights.js';

const HALF = { precision: 'fp16', scoresPrecision: 'fp16' } as const;

/** Layer 1's queries halved in all heads but number 2, where they are scaled so that half of the scores leave the range of fp16. */
const onlyHead2 = (loaded: LoadedModel): LoadedModel =>
  withWeights(loaded, {
    'model.layers.1.self_attn.q_proj.bias': (value, i) =>
      value * (Math.floor(i / 16) === 2 ? 0.969 : 0.5),
  });

describe('an overflow of fp16 scores', () => {
  it.each([
    ['left', left],
    ['right', right],
  ] as const)('is named as such, padded %s', async (_, batch) => {
    const { found, traced: findings } = await traced(
      'qwen2-large-scores',
      [streamOf('eager', HALF)],
      { batch },
    );
    expect(found.at(-1)).toMatchObject({
      code: 'non-finite',
      layer: 1,
      tap: 'attention',
      kind: 'valid',
      origin: null,
    });
    const origin = {
      layer: 1,
      step: 'scores',
      node: null,
      kind: 'overflow',
      weight: null,
      value: 'inf',
      row: 0,
      head: 0,
      query: batch.kinds.indexOf('valid'),
      key: 0,
      largest: null,
    };
    expect(findings).toEqual([
      {
        code: 'score-overflow',
        implementation: 'eager',
        batch: batch.name,
        batches: 1,
        kind: 'valid',
        precision: 'fp16',
        origin,
      },
    ]);
  });

  it('is found behind what looks like fully masked rows', async () => {
    const { found } = await traced('qwen2-large-scores', [streamOf('eager', HALF)]);
    expect(found.map(({ code }) => code)).toEqual(['fully-masked-nan', 'non-finite']);
  });

  it.each([
    ['added to', null],
    ['replaced', 'boolean'],
  ] as const)(
    'is placed at the first score that overflows, masked scores being %s',
    async (_, maskForm) => {
      for (const batch of [left, right, short]) {
        const stream = streamOf('eager', { ...HALF, maskForm });
        const context = await contextOf('qwen2-large-scores', [stream], {
          batch,
          change: onlyHead2,
        });
        const scores: Scores = { ...(await attentionInputs(context, 1, stream)), batch, bits: 11 };
        const expected = firstScore(
          scores,
          (score, q, k, b) =>
            score >= FP16_LIMIT && (maskForm === null || !isMasked(batch, b, q, k)),
        );
        expect(expected).toMatchObject({ head: 2 });
        const origin = originOf(await traceOrigins(await findingsOf(context), lookAgain(context)));
        expect(origin).toMatchObject({
          layer: 1,
          step: 'scores',
          kind: 'overflow',
          weight: null,
          value: 'inf',
          largest: 65504,
          ...expected,
        });
      }
    },
  );

  it("is found on the reference's Q, K and V too", async () => {
    const streams = [streamOf('sdpa', { precision: 'fp16' }), streamOf('eager', HALF)];
    const context = await contextOf('qwen2-large-scores', streams, {
      batch: short,
      change: onlyHead2,
      precision: 'fp16',
    });
    const scores: Scores = {
      ...(await attentionInputs(context, 1, streams[0]!)),
      batch: short,
      bits: 11,
    };
    const finding: Finding = {
      code: 'non-finite',
      implementation: 'eager',
      layer: 1,
      tap: 'attention',
      scope: 'local',
      batch: 'left',
      batches: 1,
      kind: 'valid',
      nan: 1,
      inf: 0,
      origin: null,
    };
    expect(originOf(await traceOrigins([finding], lookAgain(context)))).toMatchObject({
      layer: 1,
      step: 'scores',
      kind: 'overflow',
      ...firstScore(scores, (score) => score >= FP16_LIMIT),
    });
  });

  it('is none of sdpa and flash, which keep scores in float32', async () => {
    const { found } = await traced('qwen2-large-scores', [
      streamOf('sdpa', { precision: 'fp16' }),
      streamOf('flash', { precision: 'fp16' }),
    ]);
    expect(found).toEqual([]);
  });
});

describe('a softmax over nothing but masked scores', () => {
  it.each([
    [
      "the file's own nodes",
      streamOf('original'),
      { name: '/model/model/layers.0/self_attn/Softmax', opType: 'Softmax' },
    ],
    ['eager', streamOf('eager', { maskFill: '-inf' }), null],
  ] as const)('is confirmed in %s', async (_, stream, node) => {
    const context = await contextOf('qwen2-eager-inf', [stream], { batch: short });
    const found = await findingsOf(context);
    expect(found).toEqual([
      {
        code: 'fully-masked-nan',
        implementation: stream.label,
        layer: 0,
        batch: 'left',
        batches: 1,
        kind: 'fullyMasked',
        spreadsToValidAtLayer: 1,
      },
    ]);
    expect(await traceOrigins(found, lookAgain(context))).toEqual(found);
    const { origin } = await tapOrigin(
      jobFor(
        {
          implementation: stream.label,
          batch: 'left',
          layer: 0,
          tap: 'attention',
          scope: 'accumulated',
          kind: 'fullyMasked',
        },
        context,
      ),
    );
    expect(origin).toMatchObject({
      layer: 0,
      step: 'probabilities',
      node,
      kind: 'fully-masked',
      value: 'nan',
      row: 0,
      head: 0,
      query: 0,
      key: 0,
    });
    expect(origin!.largest).toBeLessThanOrEqual(1);
  });
});

describe('a NaN that a kernel makes of finite numbers', () => {
  const deviation = { kind: 'nan', head: 2 } as const;

  it.each([
    ['invalid', 'eager', {}],
    ['invalid', 'flash', { precision: 'bf16' }],
    ['inside-kernel', 'sdpa', {}],
    ['inside-kernel', 'flash', {}],
    ['inside-kernel', 'exact', {}],
  ] as const)('is %s in %s', async (kind, name, settings) => {
    const stream = streamOf(name, settings);
    const { found, traced: findings } = await traced('qwen2-optimum-eager', [stream], {
      batch: short,
      plant: { stream: stream.label, layer: 2, deviation },
    });
    expect(found[0]).toMatchObject({ layer: 2, tap: 'attention', kind: 'valid' });
    const origin = originOf(findings);
    expect(origin).toEqual({
      layer: 2,
      step: 'output',
      node: null,
      kind,
      weight: null,
      value: 'nan',
      row: 0,
      head: 2,
      query: 19,
      key: null,
      largest: expect.any(Number) as number,
    });
    expect(origin.largest).toBeLessThan(100);
  });
});

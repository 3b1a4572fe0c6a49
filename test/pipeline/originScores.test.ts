import { describe, expect, it } from 'vitest';
import { streamOf } from '../../src/attention/settings.js';
import type { LoadedModel } from '../../src/pipeline/load.js';
import { traceOrigins } from '../../src/pipeline/origin.js';
import { lookAgain } from '../../src/pipeline/lookAgain.js';
import { buildPackedBatch } from '../../src/batch/pad.js';
import {
  attentionInputs,
  contextOf,
  findingsOf,
  originOf,
  short,
  traced,
} from '../support/origins.js';
import { formReference } from '../support/forms.js';
import { firstScore, isMasked, type Scores } from '../support/scores.js';
import { withWeights } from '../support/weights.js';

const LARGE = 2.66e19;
/** Elements of a rotary pair: the second of query head 2, the first of the key head that serves it. */
const QUERY = 2 * 16 + 2 + 8;
const KEY = 16 + 2;

/**
 * Layer 1's queries of head 2 and their keys so large, and a quarter turn of a rotary pair apart, that their products
 * grow with the sine of the distance and leave the range of fp32 from some distance on.
 *
 * @param sign −1 for keys before the query, 1 for those after it
 */
const beyondFp32 =
  (sign: number, attention = 'model.layers.1.self_attn') =>
  (loaded: LoadedModel): LoadedModel =>
    withWeights(loaded, {
      [`${attention}.q_proj.bias`]: (value, i) => (i === QUERY ? LARGE : value),
      [`${attention}.k_proj.bias`]: (value, i) => (i === KEY ? sign * LARGE : value),
    });

/** The same where queries, keys and values are projected side by side. */
const packedBeyondFp32 = (loaded: LoadedModel): LoadedModel =>
  withWeights(loaded, {
    'model.layers.1.attn.qkv_proj.Add.bias': (value, i) =>
      i === QUERY ? LARGE : i === 64 + KEY ? -LARGE : value,
  });

describe('an overflow of fp32 scores', () => {
  it.each([
    ['eager', streamOf('eager'), 24, true],
    ['an emulated kernel', streamOf('sdpa', { precision: 'bf16' }), 8, false],
    [
      'an emulated kernel on unpadded rows',
      streamOf('flash', { precision: 'bf16', flashBlock: 16 }),
      8,
      false,
    ],
    ['a fused kernel, which shows no scores', streamOf('sdpa'), 24, true],
    ['a fused kernel on unpadded rows', streamOf('flash'), 24, false],
    ["the file's own nodes", streamOf('original'), 24, true],
  ] as const)('is placed in %s', async (_, stream, bits, adds) => {
    const context = await contextOf('qwen2-optimum-eager', [stream], {
      batch: short,
      change: beyondFp32(-1),
    });
    const scores: Scores = {
      ...(await attentionInputs(context, 1, stream)),
      batch: short,
      bits,
      round: Math.fround,
    };
    const expected = firstScore(
      scores,
      (score, q, k, b) => score === Infinity && (adds || !isMasked(short, b, q, k)),
    );
    expect(expected).toMatchObject({ row: 0, head: 2, query: 17 });
    const [finding, ...others] = await traceOrigins(await findingsOf(context), lookAgain(context));
    expect(others).toEqual([]);
    const node =
      stream.name === 'original'
        ? { name: '/model/layers.1/self_attn/MatMul', opType: 'MatMul' }
        : null;
    expect(finding).toMatchObject({
      code: 'score-overflow',
      kind: 'valid',
      precision: 'fp32',
      origin: { layer: 1, step: 'scores', node, kind: 'overflow', value: 'inf', ...expected },
    });
  });

  it.each([
    ['eager', streamOf('eager')],
    ['a fused kernel that adds its mask', streamOf('sdpa')],
  ] as const)('counts at keys that are masked, in %s', async (_, stream) => {
    const context = await contextOf('qwen2-optimum-eager', [stream], {
      batch: short,
      change: beyondFp32(1),
    });
    const scores: Scores = {
      ...(await attentionInputs(context, 1, stream)),
      batch: short,
      bits: 24,
      round: Math.fround,
    };
    const expected = firstScore(scores, (score) => score === Infinity);
    expect(isMasked(short, expected!.row!, expected!.query!, expected!.key!)).toBe(true);
    expect(
      originOf(await traceOrigins(await findingsOf(context), lookAgain(context))),
    ).toMatchObject({ step: 'scores', kind: 'overflow', ...expected });
  });

  it('does not come about at masked keys of a kernel that leaves them out', async () => {
    expect(
      (
        await traced('qwen2-optimum-eager', [streamOf('flash')], {
          batch: short,
          change: beyondFp32(1),
        })
      ).found,
    ).toEqual([]);
  });

  it('is placed in the padded row where documents share rows', async () => {
    const packed = buildPackedBatch({
      rows: [
        [
          [5, 6, 7],
          [8, 9, 10, 11, 12, 13, 14, 15, 16, 17],
        ],
        [[20, 21]],
      ],
      length: 16,
      padding: 'left',
      padTokenId: 0,
      source: 'test',
      name: 'packed',
    });
    const stream = streamOf('flash', { precision: 'bf16', flashBlock: 4 });
    const context = await contextOf('qwen2-optimum-eager', [stream], {
      batch: packed,
      change: beyondFp32(-1),
    });
    const scores: Scores = {
      ...(await attentionInputs(context, 1, stream)),
      batch: packed,
      bits: 8,
      round: Math.fround,
    };
    const isSeen = (b: number, q: number, k: number): boolean =>
      !isMasked(packed, b, q, k) && packed.documents![b * 16 + q] === packed.documents![b * 16 + k];
    const expected = firstScore(scores, (score, q, k, b) => score === Infinity && isSeen(b, q, k));
    expect(expected).toEqual({ row: 0, head: 2, query: 12, key: 6 });
    expect(
      originOf(await traceOrigins(await findingsOf(context), lookAgain(context))),
    ).toMatchObject({ step: 'scores', ...expected });
  });

  it('to −Infinity is one too where it leaves no finite score', async () => {
    const minus = (loaded: LoadedModel): LoadedModel =>
      withWeights(loaded, {
        'model.layers.1.self_attn.q_proj.bias': (value, i) => (i === 2 * 16 ? 1e20 : value),
        'model.layers.1.self_attn.k_proj.bias': (value, i) => (i === 16 ? -1e20 : value),
      });
    const { traced: findings } = await traced(
      'qwen2-optimum-eager',
      [streamOf('sdpa', { precision: 'bf16' })],
      { batch: short, change: minus },
    );
    expect(originOf(findings)).toMatchObject({
      layer: 1,
      step: 'scores',
      kind: 'overflow',
      value: '-inf',
      row: 0,
      head: 2,
      query: 11,
      key: 11,
    });
  });

  it.each([
    ['Attention', 'qwen2-dynamo23', beyondFp32(-1, 'model.model.layers.1.self_attn'), true],
    ['GroupQueryAttention', 'qwen2-genai-fp32-cpu', packedBeyondFp32, false],
  ] as const)("is placed in the file's own %s node", async (opType, form, change, adds) => {
    const stream = streamOf('original');
    const { batch } = formReference(form, 'right');
    const context = await contextOf(`forms/${form}`, [stream], { batch, change });
    const scores: Scores = {
      ...(await attentionInputs(context, 1, stream)),
      batch,
      bits: 24,
      round: Math.fround,
    };
    const expected = firstScore(
      scores,
      (score, q, k, b) => score === Infinity && (adds || !isMasked(batch, b, q, k)),
    );
    expect(expected).toMatchObject({ head: 2 });
    expect(
      originOf(await traceOrigins(await findingsOf(context), lookAgain(context))),
    ).toMatchObject({
      layer: 1,
      step: 'scores',
      node: { opType },
      kind: 'overflow',
      value: 'inf',
      ...expected,
    });
  });
});

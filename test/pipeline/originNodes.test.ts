import { describe, expect, it } from 'vitest';
import { streamOf } from '../../src/attention/settings.js';
import type { LoadedModel } from '../../src/pipeline/load.js';
import { traceOrigins } from '../../src/pipeline/origin.js';
import { lookAgain } from '../../src/pipeline/lookAgain.js';
import type { Finding } from '../../src/types.js';
import {
  attentionInputs,
  contextOf,
  findingsOf,
  keptOf,
  left,
  originOf,
  short,
  traced,
} from '../support/origins.js';
import { FP16_LIMIT } from '../support/scores.js';
import { withWeights } from '../support/weights.js';

const MODEL = 'qwen2-optimum-eager';
const eager = streamOf('eager');
/** One weight changed: that of some index. */
const oneWeight =
  (name: string, at: number, to: number) =>
  (loaded: LoadedModel): LoadedModel =>
    withWeights(loaded, { [name]: (value, i) => (i === at ? to : value) });
/** Weights are named by themselves, or by the node that reads them. */
const isNode = (name: string): boolean => name.startsWith('/');
const nowhere = { row: null, head: null, query: null, key: null };

describe('a weight that is not finite', () => {
  it.each([
    [
      'in the MLP',
      '/model/layers.2/mlp/up_proj/MatMul',
      2,
      '/model/layers.2/mlp/up_proj/MatMul',
      'MatMul',
      'hidden',
    ],
    [
      'of a norm',
      'model.layers.1.post_attention_layernorm.weight',
      1,
      '/model/layers.1/post_attention_layernorm/Mul_1',
      'Mul',
      'hidden',
    ],
    [
      'in a bias of the keys',
      'model.layers.1.self_attn.k_proj.bias',
      1,
      '/model/layers.1/self_attn/k_proj/Add',
      'Add',
      'attention',
    ],
    [
      'in the output projection',
      '/model/layers.1/self_attn/o_proj/MatMul',
      1,
      '/model/layers.1/self_attn/o_proj/MatMul',
      'MatMul',
      'hidden',
    ],
  ] as const)(
    'is named with the node that reads it, %s',
    async (_, weight, layer, name, opType, tap) => {
      for (const stream of [eager, streamOf('original'), streamOf('flash')]) {
        const { found, traced: findings } = await traced(MODEL, [stream], {
          change: oneWeight(weight, 5, NaN),
        });
        expect(found.at(-1)).toMatchObject({ layer, tap, kind: 'valid' });
        const origin = originOf(findings);
        expect(origin).toEqual({
          layer,
          step: 'node',
          node: { name, opType },
          kind: 'weights',
          weight: expect.stringMatching(isNode(weight) ? /^onnx::MatMul_/ : weight) as string,
          value: 'nan',
          ...nowhere,
          largest: expect.any(Number) as number,
        });
        expect(origin.largest).toBeLessThan(20);
      }
    },
  );

  it('is before the first layer in the embedding', async () => {
    const token = Number(left.inputIds[left.kinds.indexOf('valid')]);
    const { traced: findings } = await traced(MODEL, [eager], {
      change: oneWeight('model.embed_tokens.weight', token * 64, -Infinity),
    });
    expect(originOf(findings)).toMatchObject({
      layer: null,
      node: { name: '/model/embed_tokens/Gather' },
      kind: 'weights',
      weight: 'model.embed_tokens.weight',
      value: '-inf',
    });
  });

  it.each([
    ['model.norm.weight', '/model/norm/Mul_1'],
    ['/lm_head/MatMul', '/lm_head/MatMul'],
  ])('is after the last layer in %s', async (weight, name) => {
    const context = await contextOf(MODEL, [eager], { change: oneWeight(weight, 3, NaN) });
    const finding: Finding = {
      code: 'non-finite',
      implementation: 'eager',
      layer: null,
      tap: 'logits',
      scope: 'accumulated',
      batch: 'left',
      batches: 1,
      kind: 'valid',
      nan: 1,
      inf: 0,
      origin: null,
    };
    expect(originOf(await traceOrigins([finding], lookAgain(context)))).toMatchObject({
      layer: null,
      step: 'node',
      node: { name },
      kind: 'weights',
      ...nowhere,
    });
  });
});

describe('an overflow outside attention', () => {
  it('is named with the node, the token and how large the rest is', async () => {
    const change = (loaded: LoadedModel): LoadedModel =>
      withWeights(loaded, {
        '/model/layers.2/mlp/up_proj/MatMul': (value) => value * 1e38,
        '/model/layers.2/mlp/gate_proj/MatMul': (value) => value * 3,
      });
    const context = await contextOf(MODEL, [eager], { batch: short, change });
    const factors = [
      '/model/layers.2/mlp/act_fn/Mul_output_0',
      '/model/layers.2/mlp/up_proj/MatMul_output_0',
    ];
    const [gate, up] = (await keptOf(context, factors)).map(({ data }) => data as Float32Array) as [
      Float32Array,
      Float32Array,
    ];
    const products = Array.from(gate, (value, i) => Math.fround(value * up[i]!));
    const isBad = (product: number, i: number): boolean =>
      !Number.isFinite(product) && short.kinds[Math.floor(i / 128)] === 'valid';
    const first = products.findIndex(isBad);
    expect(
      products.slice(0, first).some((_, i) => short.kinds[Math.floor(i / 128)] === 'valid'),
    ).toBe(true);
    expect(originOf(await traceOrigins(await findingsOf(context), lookAgain(context)))).toEqual({
      layer: 2,
      step: 'node',
      node: { name: '/model/layers.2/mlp/Mul', opType: 'Mul' },
      kind: 'overflow',
      weight: null,
      value: products[first] === Infinity ? 'inf' : '-inf',
      row: Math.floor(first / 128 / 20),
      head: null,
      query: Math.floor(first / 128) % 20,
      key: null,
      largest: Math.max(...products.filter(Number.isFinite).map(Math.abs)),
    });
  });

  it.each([
    ['key', 'k_proj', 'Add_1'],
    ['value', 'v_proj', 'v_proj/Add'],
  ] as const)(
    'of a %s that fp16 does not hold is named with what makes it',
    async (role, projection, node) => {
      const stream = streamOf('sdpa', { precision: 'fp16' });
      const change = (loaded: LoadedModel): LoadedModel =>
        withWeights(loaded, {
          [`model.layers.1.self_attn.${projection}.bias`]: (value, i) => (i === 20 ? 6.6e4 : value),
        });
      const context = await contextOf(MODEL, [stream], { batch: short, change, precision: 'fp16' });
      const { [role]: tensor } = await attentionInputs(context, 1, stream);
      const first = [...(tensor.data as Float32Array)].findIndex(
        (value, i) =>
          Math.abs(value) >= FP16_LIMIT &&
          short.kinds[Math.floor(i / (2 * 20 * 16)) * 20 + (Math.floor(i / 16) % 20)] === 'valid',
      );
      expect(
        originOf(await traceOrigins(await findingsOf(context), lookAgain(context))),
      ).toMatchObject({
        layer: 1,
        step: 'node',
        node: { name: `/model/layers.1/self_attn/${node}`, opType: 'Add' },
        kind: 'overflow',
        row: Math.floor(first / (2 * 20 * 16)),
        head: null,
        query: null,
        key: Math.floor(first / 16) % 20,
      });
    },
  );
});

describe('a graph whose activations are rounded', () => {
  it('is searched, and the node of the file is named', async () => {
    const { traced: findings } = await traced(MODEL, [streamOf('original')], {
      batch: short,
      activations: 'bf16',
      change: oneWeight('model.layers.1.self_attn.k_proj.bias', 5, NaN),
    });
    expect(originOf(findings)).toMatchObject({
      layer: 1,
      step: 'node',
      node: { name: '/model/layers.1/self_attn/k_proj/Add', opType: 'Add' },
      kind: 'weights',
    });
  });

  it('overflows where a result leaves the range of fp16', async () => {
    // Finite in fp32: the same run without rounding has no finding.
    const change = (loaded: LoadedModel): LoadedModel =>
      withWeights(loaded, {
        '/model/layers.2/mlp/up_proj/MatMul': (value) => value * 3e3,
        '/model/layers.2/mlp/down_proj/MatMul': (value) => value * 1e3,
      });
    expect((await traced(MODEL, [eager], { batch: short, change })).found).toEqual([]);
    const origin = originOf(
      (await traced(MODEL, [eager], { batch: short, change, activations: 'fp16' })).traced,
    );
    expect(origin).toMatchObject({ layer: 2, step: 'node', kind: 'overflow', row: 0, head: null });
    expect(origin.node!.name).toMatch(/^\/model\/layers\.2\/mlp\//);
    expect(origin.largest).toBeLessThanOrEqual(65504);
  });
});

describe('what is not finite on other tokens already', () => {
  it('does not hide where it begins on these', async () => {
    const change = oneWeight('model.model.layers.0.post_attention_layernorm.weight', 5, NaN);
    const { found, traced: findings } = await traced('qwen2-eager-inf', [streamOf('original')], {
      batch: short,
      change,
    });
    expect(found.map(({ code }) => code)).toEqual(['fully-masked-nan', 'non-finite']);
    expect(findings[0]).toEqual(found[0]);
    expect(originOf(findings.slice(1))).toMatchObject({
      layer: 0,
      step: 'node',
      node: { name: '/model/model/layers.0/post_attention_layernorm/Mul_1' },
      kind: 'weights',
    });
  });
});

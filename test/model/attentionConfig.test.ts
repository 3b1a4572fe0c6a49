import { describe, expect, it, test } from 'vitest';
import { readAttentionConfig } from '../../src/model/attentionConfig.js';

const SIZES = { layers: 2, headDim: 16, maxPositions: 256, layerTypes: null };
const read = (
  json: unknown,
  sizes: Partial<Parameters<typeof readAttentionConfig>[1]> = {},
): ReturnType<typeof readAttentionConfig> => readAttentionConfig(json, { ...SIZES, ...sizes });
const plain = { theta: 10000, scaling: 'default', amplitude: 1 };

describe('the rotary embedding', () => {
  test.each<[string, Record<string, unknown>, object]>([
    ['rope_theta', { rope_theta: 10000, rope_scaling: null }, plain],
    ['rope_parameters', { rope_parameters: { rope_type: 'default', rope_theta: 10000 } }, plain],
    [
      'an old name of the type',
      { rope_theta: 10000, rope_scaling: { type: 'linear', factor: 2 } },
      { theta: 10000, scaling: 'linear' },
    ],
    [
      'mrope',
      { rope_theta: 10000, rope_scaling: { type: 'mrope', mrope_section: [2, 3, 3] } },
      plain,
    ],
    [
      'the original length beside it',
      {
        rope_theta: 10000,
        original_max_position_embeddings: 64,
        rope_scaling: { type: 'su', short_factor: Array(8).fill(1), long_factor: Array(8).fill(2) },
      },
      { scaling: 'longrope' },
    ],
  ])('is read from %s', (_, json, expected) =>
    expect(read(json).rotary).toMatchObject([expected, expected]),
  );

  it('turns a part of the head', () => {
    const [embedding] = read({ rope_theta: 10000, partial_rotary_factor: 0.25 }).rotary;
    expect(embedding).toMatchObject({ frequencies: [1, 10000 ** -0.5] });
  });

  it('differs by the type of the layer', () => {
    const layerTypes = ['sliding_attention', 'full_attention'];
    const byType = {
      rope_parameters: {
        sliding_attention: { rope_type: 'default', rope_theta: 500 },
        full_attention: { rope_type: 'linear', factor: 8, rope_theta: 10000 },
      },
    };
    const gemma3 = {
      rope_theta: 10000,
      rope_local_base_freq: 500,
      rope_scaling: { rope_type: 'linear', factor: 8 },
    };
    for (const json of [byType, gemma3])
      expect(read(json, { layerTypes }).rotary).toMatchObject([
        { theta: 500, scaling: 'default' },
        { theta: 10000, scaling: 'linear' },
      ]);
  });

  it('may be left out of a layer', () =>
    expect(read({ rope_theta: 10000, no_rope_layers: [1, 0] }).rotary).toMatchObject([
      plain,
      'none',
    ]));

  test.each([
    [{}],
    [{ rope_theta: 'much' }],
    [{ rope_theta: 10000, rope_scaling: 'yarn' }],
    [{ rope_theta: 10000, rope_scaling: { rope_type: 'new' } }],
    [null],
    ['text'],
  ])('is not said by %j', (json) => {
    expect(read(json).rotary).toEqual([null, null]);
  });
});

test.each<[string, Record<string, unknown>, object]>([
  ['qwen2', {}, { bias: true, qkNorm: false, scale: 0.25 }],
  ['qwen2_moe', { qkv_bias: false }, { bias: false, qkNorm: false }],
  ['qwen2_moe', {}, { bias: true }],
  ['qwen3', { attention_bias: true }, { bias: true, qkNorm: true }],
  ['qwen3_moe', {}, { bias: false, qkNorm: true }],
  ['llama', { attention_bias: true }, { bias: true, qkNorm: false }],
  ['gemma2', { query_pre_attn_scalar: 64 }, { bias: null, qkNorm: null, scale: 0.125 }],
  ['granite', { attention_multiplier: 0.015625 }, { scale: 0.015625 }],
  ['another', {}, { bias: null, qkNorm: null, scale: null, epsilon: null }],
])('%s %j', (model_type, json, expected) =>
  expect(read({ model_type, ...json })).toMatchObject(expected),
);

test('epsilon is that of rms_norm_eps, and no default', () => {
  expect(read({ rms_norm_eps: 1e-5 }).epsilon).toBe(1e-5);
  expect(read({ model_type: 'qwen2' }).epsilon).toBeNull();
});

import { describe, expect, test } from 'vitest';
import { parseModelConfig, readModelConfig } from '../../src/model/config.js';
import { folderWith, QWEN2_CONFIG } from './helpers.js';

const parse = (changes: Record<string, unknown>) =>
  parseModelConfig({ ...QWEN2_CONFIG, ...changes }, 'config.json');

describe('parseModelConfig', () => {
  test('reads a published config', () => {
    expect(parse({})).toEqual({
      modelType: 'qwen2',
      architectures: ['Qwen2ForCausalLM'],
      hiddenSize: 896,
      layers: 24,
      heads: 14,
      kvHeads: 2,
      headDim: 64,
      vocabSize: 151936,
      labels: null,
      maxPositions: 131072,
      slidingWindow: null,
      maxWindowLayers: 24,
      layerTypes: null,
      attentionLayers: Array.from({ length: 24 }, (_, layer) => layer),
      otherLayers: [],
      isCausal: true,
      rope: { theta: 1000000, factor: 1 },
      rmsNormEps: 1e-6,
      tiedEmbeddings: true,
      attention: expect.objectContaining({ bias: true, epsilon: 1e-6 }),
      padTokenId: null,
      eosTokenId: 151643,
    });
  });

  test('fills in the defaults of Qwen2Config', () => {
    const config = parseModelConfig(
      {
        model_type: 'qwen2',
        hidden_size: 64,
        num_hidden_layers: 1,
        num_attention_heads: 4,
        vocab_size: 10,
      },
      'config.json',
    );
    expect(config).toMatchObject({
      kvHeads: 4,
      headDim: 16,
      maxPositions: 32768,
      maxWindowLayers: 28,
      rmsNormEps: 1e-6,
      slidingWindow: null,
      architectures: [],
      eosTokenId: null,
    });
  });

  test('reads the decoder of a model that also sees or hears', () => {
    const {
      architectures,
      pad_token_id: padTokenId = null,
      ...decoder
    } = QWEN2_CONFIG as Record<string, unknown>;
    const outer = {
      model_type: 'qwen2_5_vl',
      architectures: ['Qwen2_5_VLForConditionalGeneration'],
      vision_config: { hidden_size: 1280 },
      pad_token_id: 7,
    };
    const wanted = { ...parse({}), architectures: outer.architectures, padTokenId: 7 };
    for (const nested of [
      { text_config: decoder },
      { thinker_config: { text_config: { ...decoder, pad_token_id: padTokenId } } },
      { llm_config: decoder },
    ]) {
      expect(parseModelConfig({ ...outer, ...nested }, 'config.json')).toEqual(wanted);
    }
    // Where both say it, the decoder's part counts, and an error names it.
    expect(
      parseModelConfig(
        { ...outer, ...QWEN2_CONFIG, hidden_size: 1, text_config: decoder },
        'config.json',
      ).hiddenSize,
    ).toBe(896);
    expect(() =>
      parseModelConfig({ ...outer, text_config: { ...decoder, hidden_size: 'x' } }, 'config.json'),
    ).toThrowError(
      expect.objectContaining({
        code: 'config-unsupported',
        args: expect.objectContaining({
          problem: expect.stringMatching(/^text_config\.hidden_size: /),
        }),
      }),
    );
    expect(architectures).toBeDefined();
  });

  test('tells layers with softmax attention from others', () => {
    const types = Array.from({ length: 24 }, (_, i) =>
      i % 3 === 1 ? 'sliding_attention' : i % 3 === 2 ? 'linear_attention' : 'full_attention',
    );
    const config = parse({ layer_types: types });
    expect(config.attentionLayers).toEqual(
      Array.from({ length: 24 }, (_, i) => i).filter((i) => i % 3 !== 2),
    );
    expect(config.otherLayers[0]).toEqual({ layer: 2, type: 'linear_attention' });
    // Qwen3-Next's first releases have an interval instead.
    expect(parse({ full_attention_interval: 4 }).attentionLayers).toEqual([3, 7, 11, 15, 19, 23]);
  });

  test.each<[boolean, Record<string, unknown>]>([
    [false, { is_causal: false }],
    [true, { is_causal: true, architectures: ['Qwen2EncoderModel'] }],
    [false, { use_bidirectional_attention: true }],
    [false, { architectures: ['Qwen2BiModel'] }],
    [false, { architectures: ['LlamaBidirectionalModel'] }],
    [true, { architectures: ['Qwen2Model'] }],
  ])('attends to earlier tokens only: %s for %j', (causal, changes) =>
    expect(parse(changes).isCausal).toBe(causal),
  );

  test.each<[string, Record<string, unknown>, number]>([
    [
      'YaRN reaches as far as its factor',
      { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 32768 },
      131072,
    ],
    [
      'but no less than the config says',
      { rope_type: 'llama3', factor: 8, original_max_position_embeddings: 8192 },
      65536,
    ],
    ['linear scaling too', { type: 'linear', factor: 2 }, 65536],
    ['dynamic NTK adapts to any length', { type: 'dynamic', factor: 2 }, Infinity],
    ['mrope scales nothing', { type: 'mrope', mrope_section: [16, 24, 24] }, 32768],
  ])('tells the positions that there are: %s', (_, rope_scaling, positions) =>
    expect(parse({ max_position_embeddings: 32768, rope_scaling }).maxPositions).toBe(positions),
  );

  test('keeps a head_dim of its own, as Qwen3 has', () => {
    expect(parse({ head_dim: 128 }).headDim).toBe(128);
  });

  test('null means the default for kv heads and head size', () => {
    expect(parse({ num_key_value_heads: null, head_dim: null })).toMatchObject({
      kvHeads: 14,
      headDim: 64,
    });
  });

  test('has a window only with use_sliding_window', () => {
    expect(parse({ use_sliding_window: true, sliding_window: 8 }).slidingWindow).toBe(8);
    expect(parse({ use_sliding_window: true, sliding_window: null }).slidingWindow).toBeNull();
    expect(parse({ use_sliding_window: false, sliding_window: 8 }).slidingWindow).toBeNull();
  });

  test('has a window in every layer of a Mistral that names one', () => {
    const mistral = {
      model_type: 'mistral',
      max_window_layers: undefined,
      use_sliding_window: undefined,
    };
    expect(parse({ ...mistral, sliding_window: 8 })).toMatchObject({
      slidingWindow: 8,
      maxWindowLayers: 0,
    });
    expect(parse({ ...mistral, sliding_window: null }).slidingWindow).toBeNull();
  });

  test.each<[string, Record<string, unknown>, ReturnType<typeof parse>['rope']]>([
    [
      'transformers 5 writes rope_parameters',
      { rope_theta: undefined, rope_parameters: { rope_theta: 500, rope_type: 'default' } },
      { theta: 500, factor: 1 },
    ],
    [
      'linear scaling divides angles',
      { rope_scaling: { type: 'linear', factor: 4 } },
      { theta: 1000000, factor: 4 },
    ],
    [
      'YaRN scales each frequency by itself',
      { rope_scaling: { rope_type: 'yarn', factor: 4 } },
      null,
    ],
    ['no theta', { rope_theta: undefined }, null],
    ['part of the head', { partial_rotary_factor: 0.5 }, null],
    ['another form', { rope_scaling: 'dynamic' }, null],
  ])('reads the rotary embedding: %s', (_, changes, rope) =>
    expect(parse(changes).rope).toEqual(rope),
  );

  test('takes the first of several eos tokens, and -1 for none', () => {
    expect(parse({ eos_token_id: [7, 8] }).eosTokenId).toBe(7);
    expect(parse({ eos_token_id: [] }).eosTokenId).toBeNull();
    expect(parse({ pad_token_id: -1 }).padTokenId).toBeNull();
    expect(parse({ pad_token_id: 0 }).padTokenId).toBe(0);
  });

  test.each([
    ['hidden_size', { hidden_size: undefined }],
    ['hidden_size', { hidden_size: 0 }],
    ['vocab_size', { vocab_size: '151936' }],
    ['num_hidden_layers', { num_hidden_layers: 1.5 }],
    ['num_attention_heads', { num_attention_heads: null }],
    ['num_key_value_heads', { num_key_value_heads: 3 }],
    ['head_dim', { hidden_size: 897 }],
    ['layer_types', { layer_types: ['full_attention'] }],
    ['rms_norm_eps', { rms_norm_eps: Infinity }],
    ['model_type', { model_type: undefined }],
  ])('names %s where it is wrong: %o', (key, changes) => {
    expect(() => parse(changes)).toThrow(
      expect.objectContaining({
        code: 'config-unsupported',
        args: { path: 'config.json', problem: expect.stringContaining(key) },
      }),
    );
  });

  test.each([[null], [[]], ['text'], [3]])('refuses %j', (json) => {
    expect(() => parseModelConfig(json, 'config.json')).toThrow(
      expect.objectContaining({ code: 'config-unsupported' }),
    );
  });
});

describe('readModelConfig', () => {
  const read = async (content: unknown) =>
    readModelConfig(`${await folderWith({ 'config.json': content })}/config.json`);
  const text = JSON.stringify(QWEN2_CONFIG);

  test('tolerates the numbers that only Python writes, and a byte order mark', async () => {
    const python = text.replace(
      '{',
      '\uFEFF{"a":NaN,"b":[Infinity,-Infinity],"c":"NaN \\" Infinity",',
    );
    await expect(read(python)).resolves.toMatchObject({ hiddenSize: 896 });
  });

  test('a non-finite number where one is needed is named', async () => {
    await expect(
      read(text.replace('"hidden_size":896', '"hidden_size":NaN')),
    ).rejects.toMatchObject({
      code: 'config-unsupported',
      args: { problem: expect.stringContaining('hidden_size') },
    });
  });

  test.each([
    ['truncated', text.slice(0, 90)],
    ['empty', ''],
    ['not UTF-8', new Uint8Array([0xff, 0xfe, 0x7b])],
  ])('%s is config-unreadable', async (_, content) => {
    await expect(read(content)).rejects.toMatchObject({ code: 'config-unreadable' });
  });

  test('absent is config-missing, a folder is config-unreadable', async () => {
    const folder = await folderWith({});
    await expect(readModelConfig(`${folder}/config.json`)).rejects.toMatchObject({
      code: 'config-missing',
      args: { path: `${folder}/config.json` },
    });
    await expect(readModelConfig(folder)).rejects.toMatchObject({
      code: 'config-unreadable',
      args: { problem: 'EISDIR' },
    });
  });
});

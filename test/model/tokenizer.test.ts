import { readFileSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { parseModelConfig } from '../../src/model/config.js';
import type { ModelSource } from '../../src/model/index.js';
import { loadTokenizer } from '../../src/model/index.js';
import { folderWith, QWEN2_CONFIG } from './helpers.js';

const FIXTURE = 'fixtures/qwen2-optimum';
const json = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(`${FIXTURE}/${name}`, 'utf8'));
const tokenizerJson = json('tokenizer.json');
const tokenizerConfig = json('tokenizer_config.json');

async function load(files: Record<string, unknown>, config: Record<string, unknown> = {}) {
  const folder = await folderWith(files);
  const source: ModelSource = {
    path: folder,
    folder,
    onnxPath: `${folder}/model.onnx`,
    config: parseModelConfig(
      { ...QWEN2_CONFIG, vocab_size: 512, eos_token_id: null, ...config },
      'config.json',
    ),
    tokenizerPath: 'tokenizer.json' in files ? `${folder}/tokenizer.json` : null,
  };
  return loadTokenizer(source);
}

const files = { 'tokenizer.json': tokenizerJson, 'tokenizer_config.json': tokenizerConfig };

describe('loadTokenizer', () => {
  test('never asks the network', async () => {
    const fetch = vi.spyOn(globalThis, 'fetch').mockRejectedValue(new Error('network'));
    const tokenizer = await load(files);
    expect(tokenizer.encode('On Monday, the fox waited near the river.').length).toBeGreaterThan(5);
    expect(fetch).not.toHaveBeenCalled();
    fetch.mockRestore();
  });

  test('adds special tokens only where the tokenizer does, and reads those in the text', async () => {
    const plain = await load(files);
    const ids = plain.encode('the fox');
    expect(ids).not.toContain(509);
    expect(plain.encode('<|endoftext|>the fox')).toEqual([509, ...ids]);
    expect(plain.encode('')).toEqual([]);

    const template = {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '<|endoftext|>', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
      ],
      pair: [],
      special_tokens: {
        '<|endoftext|>': { id: '<|endoftext|>', ids: [509], tokens: ['<|endoftext|>'] },
      },
    };
    const withBos = await load({
      ...files,
      'tokenizer.json': { ...tokenizerJson, post_processor: template },
    });
    expect(withBos.encode('the fox')).toEqual([509, ...ids]);
  });

  test('the padding token: pad_token, config pad, eos_token, config eos', async () => {
    const pad = async (pad_token: unknown, eos_token: unknown, config: Record<string, unknown>) => {
      const tokenizer_config = { ...tokenizerConfig, pad_token, eos_token };
      return (await load({ ...files, 'tokenizer_config.json': tokenizer_config }, config))
        .padTokenId;
    };
    const both = { pad_token_id: 3, eos_token_id: 4 };
    expect(await pad('<|endoftext|>', '<|im_end|>', both)).toBe(509);
    expect(await pad({ __type: 'AddedToken', content: '<|im_start|>' }, '<|im_end|>', both)).toBe(
      510,
    );
    expect(await pad(null, '<|im_end|>', both)).toBe(3);
    expect(await pad('<absent>', '<|im_end|>', both)).toBe(3);
    expect(await pad(null, '<|im_end|>', { eos_token_id: 4 })).toBe(511);
    expect(await pad(null, null, { eos_token_id: 4 })).toBe(4);
    await expect(pad(null, null, {})).rejects.toMatchObject({
      code: 'pad-token-missing',
      exitCode: 2,
    });
    await expect(pad(null, null, { pad_token_id: 512 })).rejects.toMatchObject({
      code: 'token-out-of-range',
      args: { id: 512, vocabSize: 512 },
    });
  });

  test('works without tokenizer_config.json', async () => {
    const tokenizer = await load(
      { 'tokenizer.json': tokenizerJson },
      { model_type: 'llama', pad_token_id: 1 },
    );
    expect(tokenizer.padTokenId).toBe(1);
    expect(tokenizer.encode('the fox')).toEqual((await load(files)).encode('the fox'));
  });

  test("a token beyond the model's vocabulary", async () => {
    const tokenizer = await load(files, { vocab_size: 510 });
    expect(tokenizer.encode('fox').length).toBeGreaterThan(0);
    expect(() => tokenizer.encode('fox<|im_start|>')).toThrow(
      expect.objectContaining({ code: 'token-out-of-range', args: { id: 510, vocabSize: 510 } }),
    );
  });

  test('missing', async () => {
    await expect(load({})).rejects.toMatchObject({ code: 'tokenizer-missing' });
  });

  const model = tokenizerJson['model'] as Record<string, unknown>;
  test.each([
    ['truncated', '{"version": "1.0", "model'],
    ['an array', []],
    ['no model', { ...tokenizerJson, model: undefined }],
    ['no merges', { ...tokenizerJson, model: { ...model, merges: null } }],
    ['an unknown part', { ...tokenizerJson, pre_tokenizer: { type: 'Unheard' } }],
    [
      'a pattern that transformers.js only warns of',
      {
        ...tokenizerJson,
        pre_tokenizer: {
          type: 'Split',
          pattern: { Unheard: 'x' },
          behavior: 'Isolated',
          invert: false,
        },
      },
    ],
  ])('broken: %s', async (_, content) => {
    const warn = vi.spyOn(console, 'warn');
    const tokenizer = load({ ...files, 'tokenizer.json': content }).then((loaded) =>
      loaded.encode('the fox'),
    );
    await expect(tokenizer).rejects.toMatchObject({
      code: 'tokenizer-unreadable',
      args: { path: expect.stringContaining('tokenizer.json') },
    });
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });

  test('a text that the vocabulary does not cover', async () => {
    const words = { type: 'WordLevel', vocab: { the: 0 }, unk_token: '<absent>' };
    const tokenizer = await load({
      ...files,
      'tokenizer.json': { ...tokenizerJson, model: words },
    });
    expect(tokenizer.encode('the')).toEqual([0]);
    expect(() => tokenizer.encode('fox')).toThrow(
      expect.objectContaining({ code: 'tokenizer-unreadable' }),
    );
  });

  test('broken tokenizer_config.json', async () => {
    await expect(load({ ...files, 'tokenizer_config.json': '{' })).rejects.toMatchObject({
      code: 'tokenizer-unreadable',
      args: { path: expect.stringContaining('tokenizer_config.json') },
    });
  });
});

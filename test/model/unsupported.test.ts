import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { normalise } from '../../src/model/normalise.js';
import { patchedTokenizer, type Patch } from './tokenizerFixtures.js';

const { model } = JSON.parse(readFileSync('fixtures/tiny-qwen2/tokenizer.json', 'utf8')) as {
  model: object;
};
const json = (change: Record<string, unknown>): Patch => ({ 'tokenizer.json': change });
const split = (behavior: string, invert = false): Patch =>
  json({
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { String: 'x' }, behavior, invert },
        { type: 'ByteLevel', use_regex: false },
      ],
    },
  });
const template = (special: object): Patch =>
  json({
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '<|im_end|>', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
      ],
      pair: [],
      special_tokens: { '<|im_end|>': special },
    },
  });

describe('what transformers.js would do otherwise than Python is refused', () => {
  test.each([
    ['a split that merges', split('MergedWithNext'), 'MergedWithNext'],
    ['an inverted split that keeps', split('Isolated', true), 'inverted'],
    [
      'a template with another id',
      template({ id: '<|im_end|>', ids: [5], tokens: ['<|im_end|>'] }),
      'its template adds <|im_end|>',
    ],
    [
      'a template with several ids',
      template({ id: '<|im_end|>', ids: [511, 510], tokens: ['<|im_end|>', '<|im_start|>'] }),
      'its template adds',
    ],
    [
      'a subword prefix',
      json({ model: { ...model, continuing_subword_prefix: '##' } }),
      'continuing_subword_prefix',
    ],
    ['dropout', json({ model: { ...model, dropout: 0.1 } }), 'dropout'],
  ])('%s', async (_, patch, problem) => {
    await expect(patchedTokenizer(patch)).rejects.toMatchObject({
      code: 'tokenizer-unreadable',
      args: { problem: expect.stringContaining(problem) },
    });
  });

  test('what it does rightly is not', async () => {
    for (const patch of [
      split('Isolated'),
      split('Removed'),
      split('Removed', true),
      template({ id: '<|im_end|>', ids: [511], tokens: ['<|im_end|>'] }),
    ]) {
      expect((await patchedTokenizer(patch)).padTokenId).toBe(509);
    }
  });

  test.each([
    [
      'a token for single words only',
      {
        'tokenizer_config.json': {
          additional_special_tokens: [{ content: '<fox>', single_word: true }],
        },
      },
      '<fox>',
    ],
    [
      'special tokens to be split',
      { 'tokenizer_config.json': { split_special_tokens: true } },
      '<|im_end|>',
    ],
  ])('%s: only a text that holds it', async (_, patch, token) => {
    const tokenizer = await patchedTokenizer(patch);
    expect(tokenizer.encode('the fox')).toEqual((await patchedTokenizer({})).encode('the fox'));
    expect(() => tokenizer.encode(`the ${token}`)).toThrow(
      expect.objectContaining({
        code: 'tokenizer-unreadable',
        args: expect.objectContaining({ problem: expect.stringContaining(token) }),
      }),
    );
  });
});

describe('normalise', () => {
  test('as JavaScript, but for what Unicode 10 and later brought', () => {
    for (const text of ['e\u0301', 'a\u0323\u0302', '가', 'ﬁ①', 'plain'])
      expect(normalise(text, 'NFKC')).toBe(text.normalize('NFKC'));
    expect(normalise('e\u0301\u1df6\u0323e\u0301', 'NFC')).toBe('\u00e9\u1df6\u0323\u00e9');
    expect(normalise('\u{11935}\u{11930}', 'NFC')).toBe('\u{11935}\u{11930}');
    expect(normalise('\u{11938}', 'NFD')).toBe('\u{11938}');
  });
});

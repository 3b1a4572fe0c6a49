import { readFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isolatedTokenizer } from '../../dist/model/isolatedTokenizer.js';
import { limited, TooSlow } from '../../src/model/limited.js';
import { openTokenizer, type TokenizerSource } from '../../src/model/tokenizer.js';
import { folderWith } from './helpers.js';

const TINY = 'fixtures/tiny-qwen2';
const json = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(`${TINY}/${name}`, 'utf8')) as Record<string, unknown>;
const BACKTRACKING = {
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern: { Regex: '(a+)+$' }, behavior: 'Isolated', invert: false },
    { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
  ],
};
/** In time exponential in the number of letters. */
const TEXT = `${'a'.repeat(40)}!`;
const HELLO = [{ role: 'user', content: 'the fox' }];

async function sourceWith(template: string, changes: object = {}): Promise<TokenizerSource> {
  const folder = await folderWith({
    'tokenizer.json': { ...json('tokenizer.json'), ...changes },
    'tokenizer_config.json': json('tokenizer_config.json'),
    'chat_template.jinja': template,
  });
  return {
    folder,
    tokenizerPath: `${folder}/tokenizer.json`,
    config: { vocabSize: 700, padTokenId: null, eosTokenId: null, modelType: 'qwen2' },
  };
}

describe('limited', () => {
  it('gives what the work gives, and throws what it throws', () => {
    expect(limited(() => [1, 2], 1)).toEqual([1, 2]);
    const fault = new TypeError('a fault');
    expect(() =>
      limited(() => {
        throw fault;
      }, 1),
    ).toThrow(fault);
  });

  it('ends loops and patterns that do not end', () => {
    expect(() =>
      limited(() => {
        for (;;);
      }, 0.05),
    ).toThrow(TooSlow);
    expect(() => limited(() => /(a+)+$/.test(TEXT), 0.05)).toThrow(TooSlow);
  });

  it('says that what overflows the stack nests too deep', () => {
    const forever = (depth: number): number => forever(depth + 1) + 1;
    expect(() => limited(() => forever(0), 5)).toThrow('it nests too deep');
  });
});

describe('a tokenizer of a stranger', () => {
  it.each([
    [
      'a pattern that backtracks',
      'x',
      { pre_tokenizer: BACKTRACKING },
      'tokenizer-unreadable',
      /longer than 0\.2 seconds/,
    ],
    [
      'a template that loops',
      '{% for i in range(100000000) %}a{% endfor %}',
      {},
      'chat-template-unusable',
      /longer than 0\.2 seconds/,
    ],
    [
      'a template that doubles a text',
      "{% set ns = namespace(a='x') %}{% for i in range(60) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}",
      {},
      'chat-template-unusable',
      /./,
    ],
    [
      'a template that nests',
      `${'{% if true %}'.repeat(20_000)}${'{% endif %}'.repeat(20_000)}`,
      {},
      'chat-template-unusable',
      /nests too deep|longer than/,
    ],
  ])('%s is an error that names its file', async (_, template, changes, code, problem) => {
    const { render, encode } = await openTokenizer(await sourceWith(template, changes), 0.2);
    const work = (): unknown =>
      code === 'tokenizer-unreadable' ? encode(TEXT, true) : render(HELLO);
    expect(work).toThrow(
      expect.objectContaining({
        code,
        exitCode: 2,
        args: {
          path: expect.stringMatching(/tokenizer\.json$|chat_template\.jinja$/),
          problem: expect.stringMatching(problem),
        },
      }),
    );
  });

  it('gives the same tokens in a process of its own, which may be brought down alone', async () => {
    const template =
      "{% if messages[0].role == 'bomb' %}{% set x = range(30000000) %}{% endif %}<|im_start|>{{ messages[0].content }}";
    const source = await sourceWith(template);
    const here = await openTokenizer(source);
    const apart = await isolatedTokenizer(source, 100);
    onTestFinished(() => apart.close());
    expect(apart.padTokenId).toBe(here.padTokenId);
    expect(await apart.encode('the fox')).toEqual(here.encode('the fox', true));
    expect(await apart.encodeChat(HELLO)).toEqual(here.encode(here.render(HELLO), false));
    const bomb = apart.encodeChat([{ role: 'bomb', content: 'x' }]);
    await expect(bomb).rejects.toMatchObject({
      code: 'chat-template-unusable',
      exitCode: 2,
      args: {
        path: expect.stringMatching(/chat_template\.jinja$/),
        problem: expect.stringContaining('more than 100 MB of memory'),
      },
    });
    await expect(apart.encode('the fox')).rejects.toMatchObject({ code: 'tokenizer-unreadable' });
  });

  it('tells its own errors as they are', async () => {
    const source = await sourceWith('{{ raise_exception("no") }}');
    await expect(isolatedTokenizer({ ...source, tokenizerPath: null })).rejects.toMatchObject({
      code: 'tokenizer-missing',
    });
    const apart = await isolatedTokenizer(source);
    onTestFinished(() => apart.close());
    await expect(apart.encodeChat(HELLO)).rejects.toMatchObject({
      code: 'chat-template-unusable',
      args: { problem: 'no' },
    });
  });
});

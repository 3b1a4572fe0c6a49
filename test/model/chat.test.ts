import { describe, expect, test } from 'vitest';
import { patchedTokenizer, type Patch } from './tokenizerFixtures.js';

const hello = [{ role: 'user', content: 'the fox' }];
const withTemplate = (chat_template: unknown): Patch => ({
  'tokenizer_config.json': { chat_template },
});
const encode = async (patch: Patch): Promise<number[]> =>
  (await patchedTokenizer(patch)).encodeChat(hello);

describe('encodeChat', () => {
  test('without a template, says where it looked', async () => {
    const tokenizer = await patchedTokenizer({});
    expect(tokenizer.encode('the fox').length).toBeGreaterThan(0);
    expect(() => tokenizer.encodeChat(hello)).toThrow(
      expect.objectContaining({
        code: 'chat-template-missing',
        exitCode: 2,
        args: { folder: expect.any(String) },
      }),
    );
  });

  test.each([
    [
      'a list without a default',
      [
        { name: 'rag', template: 'x' },
        { name: 'tool_use', template: 'y' },
      ],
      'only rag, tool_use',
    ],
    ['a number', 5, 'neither a text nor a list'],
    ['a syntax error', '{% for %}', ''],
    [
      "the template's own refusal",
      "{{ raise_exception('roles must alternate') }}",
      'roles must alternate',
    ],
    ['a method that jinja lacks', "{{ messages[0].content.removeprefix('a') }}", ''],
    ['a list printed', '{{ messages }}', 'prints a list'],
    [
      'an object printed',
      '{% if true %}{{ messages[0] }}{% endif %}',
      'prints a list or an object',
    ],
    ['strip of something else', '{{ messages.strip() }}', 'not a text'],
  ])('%s', async (_, template, problem) => {
    await expect(encode(withTemplate(template))).rejects.toMatchObject({
      code: 'chat-template-unusable',
      exitCode: 2,
      args: {
        path: expect.stringMatching(/tokenizer_config\.json$/),
        problem: expect.stringContaining(problem),
      },
    });
  });

  test('a broken chat_template.jinja is named itself', async () => {
    await expect(
      encode({ ...withTemplate('fine'), 'chat_template.jinja': '{{ nothing(' }),
    ).rejects.toMatchObject({
      code: 'chat-template-unusable',
      args: { path: expect.stringMatching(/chat_template\.jinja$/) },
    });
  });

  test('the special tokens of a template are tokens, and none is added around them', async () => {
    const tokenizer = await patchedTokenizer(
      withTemplate('{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}'),
    );
    expect(tokenizer.encodeChat(hello)).toEqual([510, ...tokenizer.encode('the fox'), 511]);
  });
});

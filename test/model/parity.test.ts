import { describe, expect, test } from 'vitest';
import type { ChatMessage } from '../../src/model/index.js';
import { patchedTokenizer, QWEN3, rows, tokenizerIn, type Patch } from './tokenizerFixtures.js';

interface Line {
  kind: string;
  text: string;
  qwen3: number[];
  tiny: number[];
}
interface Case {
  name: string;
  patch: Patch;
  pad: number | null;
  texts: { text: string; ids: number[] }[];
}
interface Chat {
  messages: ChatMessage[];
  text: string;
  ids: number[];
}

const lines = rows<Line>('lines');

describe("against Python's tokenizers", () => {
  test('1,000 lines of mixed text', () => {
    expect(lines).toHaveLength(1000);
    expect(new Set(lines.map(({ kind }) => kind)).size).toBeGreaterThan(20);
  });

  test.each([
    ['qwen3', QWEN3],
    ['tiny', 'fixtures/tiny-qwen2'],
  ] as const)('%s: the same ids', async (name, folder) => {
    const tokenizer = await tokenizerIn(folder);
    const different = lines.filter(
      (line) => tokenizer.encode(line.text).join() !== line[name].join(),
    );
    expect(
      different.map(({ kind, text }) => ({ kind, text, ids: tokenizer.encode(text) })),
    ).toEqual([]);
  });

  test('Qwen3 pads with <|endoftext|>, and its special tokens are counted once', async () => {
    const tokenizer = await tokenizerIn(QWEN3);
    expect(tokenizer.padTokenId).toBe(151643);
    expect(tokenizer.encode('<|im_start|>user\n你好<|im_end|>')).toEqual([
      151644, 872, 198, 108386, 151645,
    ]);
  });
});

describe("against Python's transformers", () => {
  const cases = rows<Case>('cases');

  test.each(cases)('$name', async ({ patch, pad, texts }) => {
    const tokenizer = await patchedTokenizer(patch);
    for (const { text, ids } of texts) expect([text, tokenizer.encode(text)]).toEqual([text, ids]);
    // Without a padding token transformers refuses to pad; here config.json's pad_token_id stands in.
    expect(tokenizer.padTokenId).toBe(pad ?? 509);
  });

  test('conversations through the Qwen3 template', async () => {
    const tokenizer = await tokenizerIn(QWEN3);
    const chats = rows<Chat>('chat');
    expect(chats.length).toBeGreaterThanOrEqual(20);
    for (const { messages, ids, text } of chats)
      expect([text, tokenizer.encodeChat(messages)]).toEqual([text, ids]);
  });

  test.each(rows<{ name: string; patch: Patch; chats: Chat[] }>('templates'))(
    'template: $name',
    async ({ patch, chats }) => {
      const tokenizer = await patchedTokenizer(patch);
      for (const { messages, ids, text } of chats)
        expect([text, tokenizer.encodeChat(messages)]).toEqual([text, ids]);
    },
  );
});

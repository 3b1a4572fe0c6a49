import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parsePrompts, readPrompts } from '../../src/batch/prompts.js';
import { AttnDiffError } from '../../src/errors.js';
import { folderWith } from '../model/helpers.js';

const parse = (text: string, path = 'prompts.txt') =>
  parsePrompts(new TextEncoder().encode(text), path);

describe('parsePrompts', () => {
  test('a text file: one prompt a line, spaces kept, blank lines, BOM and CRLF not', () => {
    expect(parse('\uFEFFone\r\n\r\n  two \n \t\nthree')).toEqual(['one', '  two ', 'three']);
    expect(parse('a\rb')).toEqual(['a', 'b']);
  });

  test('JSONL by its name or by its first line', () => {
    const jsonl = '\uFEFF\n{"text": "one\\ntwo", "id": 1}\r\n\n{"text":"{three}"}\n';
    for (const path of ['a.jsonl', 'a.NDJSON', 'a.json', 'a.txt', 'prompts']) {
      expect(parse(jsonl, path)).toEqual(['one\ntwo', '{three}']);
    }
  });

  test.each([
    '{ int x; }\nnext',
    '{"prompt": 1}\nnext',
    '[1]\nnext',
    '{"text": \nnext',
    'null\n{"text":"x"}',
  ])('%j is text', (text) => {
    expect(parse(text)).toEqual(text.split('\n'));
  });

  test.each([
    ['{"text":"a"}\n\n{"text":"b"', 3],
    ['{"text":"a"}\nplain', 2],
    ['{"text":"a"}\n["b"]', 2],
    ['{"text":"a"}\nnull', 2],
    ['{"text":"a"}\n{"txt":"b"}', 2],
    ['{"text":"a"}\n{"text":""}', 2],
    ['{"text":5}', 1],
  ])('bad JSONL names the line: %j', (text, line) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({
        code: 'prompts-bad-jsonl',
        args: expect.objectContaining({ path: 'prompts.txt', line }),
      }),
    );
  });

  test('conversations, by the name or by the first line', () => {
    const messages = [
      { role: 'user', content: 'one' },
      { role: 'assistant', tool_calls: [{ name: 'f', arguments: { a: -2.5, b: 0, c: 1234567 } }] },
      { role: 'user', content: '' },
    ];
    const jsonl = `${JSON.stringify({ messages })}\n{"text":"two"}`;
    for (const path of ['a.jsonl', 'a.txt']) expect(parse(jsonl, path)).toEqual([messages, 'two']);
  });

  test.each([
    ['{"messages":[]}', 'not a list of at least one message'],
    ['{"messages":"hi"}', 'not a list'],
    ['{"messages":[{"role":"user","content":"a"},["b"]]}', 'message 2 is not an object'],
    ['{"messages":[{"content":"a"}]}', 'message 1 has no string "role"'],
    ['{"messages":[{"role":"user"}]}', 'message 1 has no string "content"'],
    [
      '{"messages":[{"role":"user","content":[{"type":"image"}]}]}',
      'message 1 has no string "content"',
    ],
    ['{"messages":[{"role":"user","content":"a"}],"text":"a"}', 'both "text" and "messages"'],
    ['{"messages":[{"role":"user","content":"1.0","n":[2, 1.0]}]}', 'the number 1.0'],
    [
      '{"messages":[{"role":"user","content":"","n":9007199254740993}]}',
      'the number 9007199254740993',
    ],
    ['{"messages":[{"role":"user","content":"","n":0.00001}]}', 'the number 0.00001'],
    ['{"text":"a\\ud83d"}', 'half of a surrogate pair'],
    ['{"messages":[{"role":"user","content":"\\udc00"}]}', 'half of a surrogate pair'],
  ])('%s is refused', (line, problem) => {
    expect(() => parse(line)).toThrow(
      expect.objectContaining({
        code: 'prompts-bad-jsonl',
        args: expect.objectContaining({ problem: expect.stringContaining(problem) }),
      }),
    );
  });

  test('a whole pair, and one spelled out, are characters', () => {
    expect(parse('{"text":"\\ud83d\\ude00"}\n{"text":"\\\\ud83d"}')).toEqual(['😀', '\\ud83d']);
  });

  test('bad JSONL says what is wrong', () => {
    const problem = (line: string) => {
      try {
        return parse(line, 'a.jsonl');
      } catch (error) {
        return error instanceof AttnDiffError && 'problem' in error.args
          ? error.args.problem
          : error;
      }
    };
    expect(problem('["text"]')).toBe('it is not a JSON object');
    expect(problem('{"text": null}')).toBe('it has no string "text" and no "messages"');
    expect(problem('{"text": ""}')).toBe('its "text" is empty');
  });

  test('a JSON array over several lines is not taken for prompts', () => {
    expect(() => parse('[\n"a"\n]', 'p.json')).toThrow(
      expect.objectContaining({ code: 'prompts-bad-jsonl' }),
    );
  });

  test.each(['', '\uFEFF', ' \n\r\n\t'])('%j is empty', (text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'prompts-empty' }));
    expect(() => parse(text, 'a.jsonl')).toThrow(
      expect.objectContaining({ code: 'prompts-empty' }),
    );
  });

  test.each([
    ['Latin-1', Buffer.from('caf\u00e9', 'latin1')],
    ['UTF-16', Buffer.from('\uFEFFcaf\u00e9', 'utf16le')],
    ['cut in the middle', Buffer.from('caf\u00e9').subarray(0, 4)],
  ])('%s is not UTF-8', (_, bytes) => {
    expect(() => parsePrompts(bytes, 'p')).toThrow(
      expect.objectContaining({ code: 'prompts-not-utf8' }),
    );
  });

  const pathArb = fc.constantFrom('a.txt', 'a.jsonl', 'a');
  const lineArb = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc.record({ text: fc.string() }).map((value) => JSON.stringify(value)),
  );

  test('any text gives prompts that are not empty, or an AttnDiffError', () => {
    fc.assert(
      fc.property(fc.array(lineArb), pathArb, (lines, path) => {
        try {
          const prompts = parse(lines.join('\n'), path);
          expect(prompts.length).toBeGreaterThan(0);
          expect(prompts.every((prompt) => prompt !== '')).toBe(true);
        } catch (error) {
          if (!(error instanceof AttnDiffError)) throw error;
        }
      }),
    );
  });

  test('any bytes give prompts, or an AttnDiffError', () => {
    fc.assert(
      fc.property(fc.uint8Array(), pathArb, (bytes, path) => {
        try {
          expect(parsePrompts(bytes, path).length).toBeGreaterThan(0);
        } catch (error) {
          if (!(error instanceof AttnDiffError)) throw error;
        }
      }),
    );
  });

  test('texts written as JSONL come back unchanged', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1, unit: 'grapheme' }), { minLength: 1 }),
        (texts) => {
          expect(
            parse(texts.map((text) => JSON.stringify({ text })).join('\r\n'), 'a.jsonl'),
          ).toEqual(texts);
        },
      ),
    );
  });
});

describe('readPrompts', () => {
  test('reads a file', async () => {
    const folder = await folderWith({ 'p.txt': 'one\ntwo\n' });
    expect(await readPrompts(`${folder}/p.txt`)).toEqual(['one', 'two']);
  });

  test('a path that cannot be read', async () => {
    const folder = await folderWith({});
    await expect(readPrompts(`${folder}/absent`)).rejects.toMatchObject({
      code: 'prompts-unreadable',
      args: { problem: 'ENOENT' },
    });
    await expect(readPrompts(folder)).rejects.toMatchObject({
      code: 'prompts-unreadable',
      args: { problem: 'EISDIR' },
    });
  });
});

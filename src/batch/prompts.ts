import { extname } from 'node:path';
import { parseBoundedJson } from '../boundedJson.js';
import { AttnDiffError } from '../errors.js';
import type { ChatMessage } from '../model/index.js';
import { readBytes } from './readBytes.js';

/** A text, or a conversation for the model's chat template. */
export type Prompt = string | readonly ChatMessage[];

/**
 * Reads a prompts file: see {@link parsePrompts}.
 *
 * @throws AttnDiffError prompts-unreadable, prompts-not-utf8, prompts-empty, prompts-bad-jsonl
 */
export async function readPrompts(path: string): Promise<Prompt[]> {
  return parsePrompts(await readBytes(path, 'prompts-unreadable'), path);
}

/**
 * Splits the bytes of a prompts file into prompts. A text file has one prompt a line, kept as it is, spaces included;
 * JSONL has an object with a string `text`, or with a list `messages` of objects with role and content, on each line.
 * Blank lines are skipped; a byte order mark is too.
 *
 * A file is JSONL where it is named .jsonl, .ndjson or .json, or where its first line that is not blank is a JSON
 * object with a key `text` or `messages`. Any other first line, one that merely begins with `{` included, makes it a text file.
 *
 * @param path decides by its extension, and is named in errors
 * @throws AttnDiffError prompts-not-utf8, prompts-empty, prompts-bad-jsonl
 */
export function parsePrompts(bytes: Uint8Array, path: string): Prompt[] {
  const lines = decode(bytes, path)
    .split(/\r\n|\n|\r/)
    .map((text, index) => ({ text, number: index + 1 }))
    .filter(({ text }) => text.trim() !== '');
  const [first] = lines;
  if (first === undefined) throw new AttnDiffError('prompts-empty', { path });
  const jsonl = /^\.(jsonl|ndjson|json)$/i.test(extname(path)) || looksLikeRecord(first.text);
  return lines.map(({ text, number }) => (jsonl ? parseRecord(text, number, path) : text));
}

function decode(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new AttnDiffError('prompts-not-utf8', { path });
  }
}

function looksLikeRecord(line: string): boolean {
  const json = parseObject(line);
  return json !== null && ('text' in json || 'messages' in json);
}

function parseRecord(line: string, number: number, path: string): Prompt {
  const bad = (problem: string): AttnDiffError =>
    new AttnDiffError('prompts-bad-jsonl', { path, line: number, problem });
  const json = parseObject(line);
  if (json === null) throw bad('it is not a JSON object');
  if ('text' in json && 'messages' in json) throw bad('it has both "text" and "messages"');
  // JSON.stringify escapes a surrogate only where it stands alone; an escape in the text itself has a backslash before it.
  if (/(?<!\\)(?:\\\\)*\\ud[89a-f]/.test(JSON.stringify(json)))
    throw bad('it has half of a surrogate pair, which is no character');
  if ('messages' in json) {
    const literal = unlikePython(line);
    if (literal !== null)
      throw bad(`the number ${literal} would not reach the chat template as Python writes it`);
    return messagesOf(json.messages, bad);
  }
  if (!('text' in json) || typeof json.text !== 'string')
    throw bad('it has no string "text" and no "messages"');
  if (json.text === '') throw bad('its "text" is empty');
  return json.text;
}

/** A number that JavaScript writes otherwise than Python: 1.0, 1e20, 0.00001, integers past 2^53. */
function unlikePython(line: string): string | null {
  const numbers = line.replace(/"(?:[^"\\]|\\.)*"/g, '').match(/-?\d[\d.eE+-]*/g) ?? [];
  const same = (text: string): boolean =>
    String(Number(text)) === text &&
    (Number.isSafeInteger(Number(text)) || Math.abs(Number(text)) >= 1e-4) &&
    !/e/.test(text);
  return numbers.find((text) => !same(text)) ?? null;
}

function messagesOf(messages: unknown, bad: (problem: string) => AttnDiffError): ChatMessage[] {
  if (!Array.isArray(messages) || messages.length === 0)
    throw bad('its "messages" is not a list of at least one message');
  for (const [index, message] of messages.entries()) {
    const problem = messageProblem(message);
    if (problem !== null) throw bad(`message ${index + 1} ${problem}`);
  }
  return messages as ChatMessage[];
}

/** Content may be missing from a message that calls tools. */
function messageProblem(message: unknown): string | null {
  if (typeof message !== 'object' || message === null || Array.isArray(message))
    return 'is not an object';
  if (!('role' in message) || typeof message.role !== 'string') return 'has no string "role"';
  if ('tool_calls' in message) return null;
  return 'content' in message && typeof message.content === 'string'
    ? null
    : 'has no string "content"';
}

function parseObject(line: string): object | null {
  try {
    const json = parseBoundedJson(line);
    return typeof json === 'object' && !Array.isArray(json) ? json : null;
  } catch {
    return null;
  }
}

import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { AttnDiffError } from '../errors.js';

/**
 * Reads a prompts file: see {@link parsePrompts}.
 *
 * @throws AttnDiffError prompts-unreadable, prompts-not-utf8, prompts-empty, prompts-bad-jsonl
 */
export async function readPrompts(path: string): Promise<string[]> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new AttnDiffError('prompts-unreadable', { path, problem: code ?? message });
  }
  return parsePrompts(bytes, path);
}

/**
 * Splits the bytes of a prompts file into prompts. A text file has one prompt a line, kept as it is, spaces included;
 * JSONL has an object with a string `text` on each line. Blank lines are skipped; a byte order mark is too.
 *
 * A file is JSONL where it is named .jsonl, .ndjson or .json, or where its first line that is not blank is a JSON
 * object with a key `text`. Any other first line, one that merely begins with `{` included, makes it a text file.
 *
 * @param path decides by its extension, and is named in errors
 * @throws AttnDiffError prompts-not-utf8, prompts-empty, prompts-bad-jsonl
 */
export function parsePrompts(bytes: Uint8Array, path: string): string[] {
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
  return json !== null && 'text' in json;
}

function parseRecord(line: string, number: number, path: string): string {
  const bad = (problem: string): AttnDiffError => new AttnDiffError('prompts-bad-jsonl', { path, line: number, problem });
  const json = parseObject(line);
  if (json === null) throw bad('it is not a JSON object');
  if (!('text' in json) || typeof json.text !== 'string') throw bad('it has no string "text"');
  if (json.text === '') throw bad('its "text" is empty');
  return json.text;
}

function parseObject(line: string): object | null {
  try {
    const json: unknown = JSON.parse(line);
    return typeof json === 'object' && !Array.isArray(json) ? json : null;
  } catch {
    return null;
  }
}

import { readFile, stat } from 'node:fs/promises';
import { parseBoundedJson } from '../boundedJson.js';

export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Bytes of a JSON file; the largest tokenizers take a third of it. */
const LARGEST = 100e6;

/**
 * Reads a JSON file written by JavaScript or by Python, whose `json` also writes NaN, Infinity and -Infinity:
 * NaN is read as null, the infinities as infinite numbers.
 *
 * @throws NodeJS.ErrnoException where the file cannot be read, TypeError where it is not UTF-8,
 *   SyntaxError where it is not JSON, or too large
 */
export async function readJson(path: string, mostBytes = LARGEST): Promise<unknown> {
  if ((await stat(path)).size > mostBytes)
    throw new SyntaxError(`it is larger than ${mostBytes / 1e6} MB`);
  const text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  try {
    return parseBoundedJson(text);
  } catch (error) {
    const plain = withoutPythonNumbers(text);
    if (plain === text) throw error;
    return parseBoundedJson(plain);
  }
}

/** What went wrong in {@link readJson}, short enough for one line. */
export function jsonProblem(error: unknown): string {
  if (error instanceof SyntaxError) return `it is not JSON: ${error.message.replace(/\s+/g, ' ')}`;
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'it is not UTF-8' : (code ?? message);
}

function withoutPythonNumbers(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|NaN|Infinity/g, (token) => {
    if (token === 'NaN') return 'null';
    return token === 'Infinity' ? '1e999' : token;
  });
}

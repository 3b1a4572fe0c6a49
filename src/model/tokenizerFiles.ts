import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AttnDiffError } from '../errors.js';
import { contentOf, SPECIAL_TOKENS, withAddedTokens } from './addedTokens.js';
import { isObject, jsonProblem, readJson, type JsonObject } from './json.js';

/** A tokenizer's files, read and merged as `AutoTokenizer.from_pretrained` does. */
export interface TokenizerFiles {
  /** tokenizer.json with the tokens that tokenizer_config.json adds. */
  json: JsonObject;
  /** tokenizer_config.json with special_tokens_map.json; the special tokens are strings. */
  config: JsonObject;
  /** chat_template.jinja beside them, null where there is none. */
  jinja: string | null;
}

/**
 * Reads tokenizer.json and what may lie beside it: tokenizer_config.json, special_tokens_map.json,
 * chat_template.jinja. As in Hugging Face's transformers, special_tokens_map.json counts only where
 * tokenizer_config.json has no added_tokens_decoder, and then over it.
 *
 * @throws AttnDiffError tokenizer-unreadable
 */
export async function readTokenizerFiles(path: string, folder: string): Promise<TokenizerFiles> {
  const json = await readObject(path);
  if (json === null) throw new AttnDiffError('tokenizer-unreadable', { path, problem: 'ENOENT' });
  const config = { ...(await readObject(join(folder, 'tokenizer_config.json'))) };
  const decoder = isObject(config['added_tokens_decoder']);
  if (!decoder) Object.assign(config, await readObject(join(folder, 'special_tokens_map.json')));
  for (const name of SPECIAL_TOKENS) {
    if (name in config) config[name] = contentOf(config[name]);
  }
  return {
    json: withAddedTokens(json, config),
    config,
    jinja: await readText(join(folder, 'chat_template.jinja')),
  };
}

async function readObject(path: string): Promise<JsonObject | null> {
  let json: unknown;
  try {
    json = await readJson(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new AttnDiffError('tokenizer-unreadable', { path, problem: jsonProblem(error) });
  }
  if (!isObject(json))
    throw new AttnDiffError('tokenizer-unreadable', { path, problem: 'it is not a JSON object' });
  return json;
}

/** A text file with line ends as Python reads them, null where there is none. */
async function readText(path: string): Promise<string | null> {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
      .decode(await readFile(path))
      .replace(/\r\n?/g, '\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new AttnDiffError('tokenizer-unreadable', { path, problem: jsonProblem(error) });
  }
}

import { join } from 'node:path';
import type { PreTrainedTokenizer } from '@huggingface/transformers';
import { AttnDiffError } from '../errors.js';
import { jsonProblem, readJson } from './json.js';
import type { ModelSource } from './source.js';

export interface Tokenizer {
  /**
   * Token ids as Hugging Face's `tokenizer(text)` gives them: special tokens only as the tokenizer itself adds them.
   *
   * @throws AttnDiffError token-out-of-range, tokenizer-unreadable
   */
  encode(text: string): number[];
  padTokenId: number;
}

/**
 * Loads tokenizer.json and, where there is one, tokenizer_config.json from the model's folder. Never opens the network.
 *
 * The padding token is the tokenizer's pad_token, else config.json's pad_token_id, else the tokenizer's eos_token,
 * else config.json's eos_token_id.
 *
 * @throws AttnDiffError tokenizer-missing, tokenizer-unreadable, pad-token-missing, token-out-of-range
 */
export async function loadTokenizer(source: ModelSource): Promise<Tokenizer> {
  const { tokenizerPath: path, folder } = source;
  const { vocabSize } = source.config;
  if (path === null) throw new AttnDiffError('tokenizer-missing', { folder });
  const tokenizerJson = await readObject(path);
  const tokenizerConfig = (await readObject(join(folder, 'tokenizer_config.json'), { optional: true })) ?? {};
  const tokenizer = await construct(path, tokenizerJson, tokenizerConfig);

  const padTokenId =
    idOf(tokenizer, tokenizerConfig['pad_token']) ??
    source.config.padTokenId ??
    idOf(tokenizer, tokenizerConfig['eos_token']) ??
    source.config.eosTokenId;
  if (padTokenId === null) throw new AttnDiffError('pad-token-missing', { folder });
  checkRange(padTokenId, vocabSize);

  return {
    padTokenId,
    encode(text) {
      const ids = attempt(path, () => tokenizer.encode(text));
      for (const id of ids) {
        if (!Number.isInteger(id)) throw new AttnDiffError('tokenizer-unreadable', { path, problem: 'it has no token for a part of the text, and no unk_token' });
        checkRange(id, vocabSize);
      }
      return ids;
    },
  };
}

type JsonObject = Record<string, unknown>;

async function readObject(path: string): Promise<JsonObject>;
async function readObject(path: string, options: { optional: true }): Promise<JsonObject | null>;
async function readObject(path: string, options?: { optional: true }): Promise<JsonObject | null> {
  let json: unknown;
  try {
    json = await readJson(path);
  } catch (error) {
    if (options?.optional && (error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new AttnDiffError('tokenizer-unreadable', { path, problem: jsonProblem(error) });
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new AttnDiffError('tokenizer-unreadable', { path, problem: 'it is not a JSON object' });
  }
  return json as JsonObject;
}

async function construct(path: string, tokenizerJson: JsonObject, tokenizerConfig: JsonObject): Promise<PreTrainedTokenizer> {
  // Imported here because it takes 0.2 s, and built from the parsed files because from_pretrained may ask the hub.
  const { PreTrainedTokenizer, env, LogLevel } = await import('@huggingface/transformers');
  env.logLevel = LogLevel.NONE;
  env.allowRemoteModels = false;
  return attempt(path, () => new PreTrainedTokenizer(tokenizerJson, tokenizerConfig));
}

/** Runs a step of transformers.js. What it warns of there would change the tokens, so it is an error here. */
function attempt<T>(path: string, step: () => T): T {
  const { warn } = console;
  const warnings: string[] = [];
  // oxlint-disable-next-line no-console -- the library offers no other way to hear its warnings
  console.warn = (...words: unknown[]) => warnings.push(words.map(String).join(' '));
  try {
    const result = step();
    if (warnings.length > 0) throw new Error(warnings[0]);
    return result;
  } catch (error) {
    throw new AttnDiffError('tokenizer-unreadable', { path, problem: error instanceof Error ? error.message : String(error) });
  } finally {
    // oxlint-disable-next-line no-console -- gives back what was taken
    console.warn = warn;
  }
}

/** The id of a special token, which tokenizer_config.json gives as a string or as an AddedToken. */
function idOf(tokenizer: PreTrainedTokenizer, token: unknown): number | null {
  const content = typeof token === 'object' && token !== null && 'content' in token ? token.content : token;
  if (typeof content !== 'string') return null;
  return (tokenizer.convert_tokens_to_ids(content) as number | undefined) ?? null;
}

function checkRange(id: number, vocabSize: number): void {
  if (id < 0 || id >= vocabSize) throw new AttnDiffError('token-out-of-range', { id, vocabSize });
}

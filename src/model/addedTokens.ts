import { isObject, type JsonObject } from './json.js';

/** The special tokens that have a name, as in Hugging Face's transformers. */
export const SPECIAL_TOKENS = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
] as const;

interface AddedToken extends JsonObject {
  id: number;
  content: string;
}

const PLAIN = {
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
};

/**
 * tokenizer.json with the tokens that tokenizer_config.json names beyond it, as Hugging Face's transformers adds them:
 * those of added_tokens_decoder, whose flags also replace those in tokenizer.json; then the named special tokens and
 * the additional ones. A token that the vocabulary lacks takes the next free id, whatever id a file gives it.
 */
export function withAddedTokens(json: JsonObject, config: JsonObject): JsonObject {
  const listed = json['added_tokens'];
  if (!Array.isArray(listed)) return json;
  const tokens = new Map<string, AddedToken>();
  const vocabulary = vocabularyOf(json);
  let free = vocabulary.size;
  const put = (content: string, flags: JsonObject): void => {
    const id = tokens.get(content)?.id ?? vocabulary.get(content) ?? free;
    free = Math.max(free, id + 1);
    tokens.set(content, { ...PLAIN, ...flags, id, content });
  };

  for (const token of listed.filter(isObject)) {
    const content = contentOf(token);
    if (content !== null) put(content, token);
  }
  const decoder = isObject(config['added_tokens_decoder']) ? config['added_tokens_decoder'] : {};
  // JSON's integer keys come in ascending order, as transformers sorts them.
  for (const token of Object.values(decoder)) {
    const content = contentOf(token);
    if (content !== null && content !== '') put(content, { ...(isObject(token) && token) });
  }
  for (const token of [...SPECIAL_TOKENS.map((name) => config[name]), ...additional(config)]) {
    const content = contentOf(token);
    if (content !== null && content !== '' && !tokens.has(content))
      put(content, { ...(isObject(token) && token) });
  }
  return { ...json, added_tokens: [...tokens.values()] };
}

/** The text of a token that is given as a string or as an AddedToken; null where it is neither. */
export function contentOf(token: unknown): string | null {
  const content = isObject(token) ? token['content'] : token;
  return typeof content === 'string' ? content : null;
}

function additional(config: JsonObject): unknown[] {
  const { extra_special_tokens: extra, additional_special_tokens: older } = config;
  if (isObject(extra) && Object.keys(extra).length > 0) return Object.values(extra);
  if (Array.isArray(extra) && extra.length > 0) return extra;
  return Array.isArray(older) ? older : [];
}

/** The ids of a model's own tokens, without the added ones. */
export function vocabularyOf(json: JsonObject): Map<string, number> {
  const vocab = isObject(json['model']) ? json['model']['vocab'] : null;
  if (Array.isArray(vocab))
    return new Map(
      vocab.map((entry: unknown, id) => [String(Array.isArray(entry) ? entry[0] : entry), id]),
    );
  return new Map(isObject(vocab) ? (Object.entries(vocab) as [string, number][]) : []);
}

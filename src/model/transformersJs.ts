import type { PreTrainedTokenizer } from '@huggingface/transformers';
import { AttnDiffError } from '../errors.js';
import { isObject, type JsonObject } from './json.js';
import { FORMS, normalise } from './normalise.js';

/** What ByteLevel splits with by itself. transformers.js has it too, with a \s that is not Unicode's White_Space. */
const GPT2_PATTERN = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

/**
 * Builds the tokenizer of transformers.js such that it gives the ids of Python's tokenizers.
 *
 * @throws AttnDiffError tokenizer-unreadable
 */
export async function construct(
  path: string,
  json: JsonObject,
  config: JsonObject,
): Promise<PreTrainedTokenizer> {
  // Imported here because it takes 0.2 s, and built from the parsed files because from_pretrained may ask the hub.
  const { PreTrainedTokenizer, env, LogLevel } = await import('@huggingface/transformers');
  env.logLevel = LogLevel.NONE;
  env.allowRemoteModels = false;
  const { chat_template: _, ...rest } = config;
  return attempt(path, () => {
    const tokenizer = new PreTrainedTokenizer(
      { ...json, pre_tokenizer: withSplit(json['pre_tokenizer']) },
      rest,
    );
    // oxlint-disable-next-line no-underscore-dangle -- its only way to the normalizer
    replaceForms(tokenizer._tokenizer.normalizer);
    return tokenizer;
  });
}

/** Runs a step of transformers.js. What it warns of there would change the tokens, so it is an error here. */
export function attempt<T>(path: string, step: () => T): T {
  const { warn } = console;
  const warnings: string[] = [];
  // oxlint-disable-next-line no-console -- the library offers no other way to hear its warnings
  console.warn = (...words: unknown[]) => warnings.push(words.map(String).join(' '));
  try {
    const result = step();
    if (warnings.length > 0) throw new Error(warnings[0]);
    return result;
  } catch (error) {
    throw new AttnDiffError('tokenizer-unreadable', {
      path,
      problem: error instanceof Error ? error.message : String(error),
    });
  } finally {
    // oxlint-disable-next-line no-console -- gives back what was taken
    console.warn = warn;
  }
}

function withSplit(part: unknown): unknown {
  if (!isObject(part)) return part;
  if (Array.isArray(part['pretokenizers']))
    return { ...part, pretokenizers: part['pretokenizers'].map(withSplit) };
  if (
    part['type'] !== 'ByteLevel' ||
    part['use_regex'] === false ||
    part['add_prefix_space'] === true
  )
    return part;
  const split = {
    type: 'Split',
    pattern: { Regex: GPT2_PATTERN },
    behavior: 'Isolated',
    invert: false,
  };
  return { type: 'Sequence', pretokenizers: [split, { ...part, use_regex: false }] };
}

type Normalizer = NonNullable<PreTrainedTokenizer['_tokenizer']['normalizer']>;

function replaceForms(
  normalizer: (Normalizer & { normalizers?: (Normalizer | null)[] }) | null,
): void {
  if (normalizer === null) return;
  const form = FORMS.find((name) => name === normalizer.config?.type);
  if (form !== undefined) normalizer.normalize = (text: string) => normalise(text, form);
  for (const part of normalizer.normalizers ?? []) replaceForms(part);
}

import { contentOf, vocabularyOf } from './addedTokens.js';
import { isObject, type JsonObject } from './json.js';

/**
 * What of a tokenizer transformers.js reads but does otherwise than Python's tokenizers: better refused than wrong.
 *
 * @returns what it is, or null
 */
export function unsupported(json: JsonObject): string | null {
  for (const part of parts(json['pre_tokenizer'], 'pretokenizers')) {
    const { type, behavior, invert } = part;
    if (
      type === 'Split' &&
      !(invert === true ? ['Removed'] : ['Isolated', 'Removed']).includes(behavior as string)
    ) {
      return `its pre-tokenizer splits with ${String(behavior)}${invert === true ? ' inverted' : ''}, which is not supported`;
    }
  }
  for (const { special_tokens: specials } of parts(json['post_processor'], 'processors')) {
    for (const [name, special] of Object.entries(isObject(specials) ? specials : {})) {
      const problem = templateProblem(name, special, json);
      if (problem !== null) return problem;
    }
  }
  const model = isObject(json['model']) ? json['model'] : {};
  if (model['type'] !== 'BPE') return null;
  if (
    typeof model['continuing_subword_prefix'] === 'string' &&
    model['continuing_subword_prefix'] !== ''
  )
    return 'its continuing_subword_prefix is not supported';
  return typeof model['dropout'] === 'number' && model['dropout'] > 0
    ? 'its dropout makes its tokens random'
    : null;
}

/** The added tokens that cannot be looked for in a text as Python's tokenizers does. */
export function unsupportedTokens(
  json: JsonObject,
  config: JsonObject,
): { content: string; problem: string }[] {
  const tokens = Array.isArray(json['added_tokens']) ? json['added_tokens'].filter(isObject) : [];
  return tokens.flatMap((token) => {
    const content = contentOf(token);
    if (content === null) return [];
    if (config['split_special_tokens'] === true && token['special'] === true)
      return [{ content, problem: 'it splits special tokens' }];
    return token['single_word'] === true
      ? [{ content, problem: 'it takes it for a token only as a single word' }]
      : [];
  });
}

/** The parts of a pre-tokenizer or post-processor, those of sequences included. */
function parts(value: unknown, children: string): JsonObject[] {
  if (!isObject(value)) return [];
  const inner = value[children];
  return Array.isArray(inner) ? inner.flatMap((part) => parts(part, children)) : [value];
}

function templateProblem(name: string, special: unknown, json: JsonObject): string | null {
  const ids = isObject(special) ? special['ids'] : null;
  const added = Array.isArray(json['added_tokens']) ? json['added_tokens'].filter(isObject) : [];
  const known =
    added.find(({ content }) => content === name)?.['id'] ?? vocabularyOf(json).get(name);
  const [id, ...more] = Array.isArray(ids) ? ids : [];
  return id === known && more.length === 0
    ? null
    : `its template adds ${name} with ids that its vocabulary does not give`;
}

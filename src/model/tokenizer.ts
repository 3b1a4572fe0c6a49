import { join } from 'node:path';
import { AttnDiffError } from '../errors.js';
import { contentOf, SPECIAL_TOKENS } from './addedTokens.js';
import { chatTemplateOf, templateMessages, type ChatMessage } from './chat.js';
import { limited } from './limited.js';
import type { ModelSource } from './source.js';
import { readTokenizerFiles, type TokenizerFiles } from './tokenizerFiles.js';
import { attempt, construct } from './transformersJs.js';
import { unsupported, unsupportedTokens } from './unsupported.js';

/** Seconds that a text may take to become tokens, and a conversation to become a text. */
export const LONGEST_STEP = 5;

/** As {@link Tokenizer}; what it gives may have to be waited for. */
export interface TextTokenizer {
  encode(text: string): number[] | Promise<number[]>;
  encodeChat(messages: readonly ChatMessage[]): number[] | Promise<number[]>;
  padTokenId: number;
}

export interface Tokenizer extends TextTokenizer {
  /**
   * Token ids as Hugging Face's `tokenizer(text)` gives them: special tokens only as the tokenizer itself adds them.
   *
   * @throws AttnDiffError token-out-of-range, tokenizer-unreadable
   */
  encode(text: string): number[];
  /**
   * Token ids as Hugging Face's `apply_chat_template(messages, add_generation_prompt=True)` gives them.
   *
   * @throws AttnDiffError chat-template-missing, chat-template-unusable, and those of encode
   */
  encodeChat(messages: readonly ChatMessage[]): number[];
  padTokenId: number;
}

/** The two steps from a conversation to its tokens. */
export interface TokenizerSteps {
  padTokenId: number;
  /** @throws AttnDiffError token-out-of-range, tokenizer-unreadable */
  encode(text: string, addsSpecials: boolean): number[];
  /** @throws AttnDiffError chat-template-missing, chat-template-unusable */
  render(messages: readonly ChatMessage[]): string;
}

/** What of a model a tokenizer depends on. */
export type TokenizerSource = Pick<ModelSource, 'tokenizerPath' | 'folder'> & {
  config: Pick<ModelSource['config'], 'vocabSize' | 'padTokenId' | 'eosTokenId' | 'modelType'>;
};

/** As {@link openTokenizer}, in one step. */
export async function loadTokenizer(source: TokenizerSource): Promise<Tokenizer> {
  const { padTokenId, encode, render } = await openTokenizer(source);
  return {
    padTokenId,
    encode: (text) => encode(text, true),
    encodeChat: (messages) => encode(render(messages), false),
  };
}

/**
 * Loads tokenizer.json and what lies beside it from the model's folder. Never opens the network.
 *
 * The padding token is the tokenizer's pad_token, else that of Qwen2's tokenizer class (where pad_token is not named at
 * all, not even as null), else config.json's pad_token_id, else the tokenizer's eos_token, else config.json's
 * eos_token_id. A named token that the model has no embedding of is passed over.
 *
 * @param seconds that one step may take
 * @throws AttnDiffError tokenizer-missing, tokenizer-unreadable, pad-token-missing, token-out-of-range
 */
export async function openTokenizer(
  source: TokenizerSource,
  seconds = LONGEST_STEP,
): Promise<TokenizerSteps> {
  const { tokenizerPath: path, folder } = source;
  const { vocabSize } = source.config;
  if (path === null) throw new AttnDiffError('tokenizer-missing', { folder });
  const files = await readTokenizerFiles(path, folder);
  const { json, config } = files;
  const problem = unsupported(json);
  if (problem !== null) throw new AttnDiffError('tokenizer-unreadable', { path, problem });
  const tokenizer = await construct(path, json, config);
  const idOf = (token: unknown): number | null => {
    const content = contentOf(token);
    const id =
      content === null
        ? undefined
        : (tokenizer.convert_tokens_to_ids(content) as number | undefined);
    return id === undefined || id >= vocabSize ? null : id;
  };

  const padTokenId =
    idOf('pad_token' in config ? config['pad_token'] : classPadToken(files, source)) ??
    source.config.padTokenId ??
    idOf(config['eos_token']) ??
    source.config.eosTokenId;
  if (padTokenId === null) throw new AttnDiffError('pad-token-missing', { folder });
  checkRange(padTokenId, vocabSize);

  const { renderTemplate } = await import('./template.js');
  const specials = Object.fromEntries(
    SPECIAL_TOKENS.flatMap((name) => (config[name] ? [[name, config[name]]] : [])),
  );
  const refused = unsupportedTokens(json, config);
  const encode = (text: string, add_special_tokens: boolean): number[] => {
    const token = refused.find(({ content }) => text.includes(content));
    if (token)
      throw new AttnDiffError('tokenizer-unreadable', {
        path,
        problem: `the text holds ${token.content}, and ${token.problem}, which is not supported`,
      });
    const ids = attempt(path, () =>
      limited(() => tokenizer.encode(text, { add_special_tokens }), seconds),
    );
    for (const id of ids) {
      if (!Number.isInteger(id))
        throw new AttnDiffError('tokenizer-unreadable', {
          path,
          problem: 'it has no token for a part of the text, and no unk_token',
        });
      checkRange(id, vocabSize);
    }
    return ids;
  };

  return {
    padTokenId,
    encode,
    render(messages) {
      const configPath = join(folder, 'tokenizer_config.json');
      const chat_template = chatTemplateOf(files, configPath);
      if (chat_template === null) throw new AttnDiffError('chat-template-missing', { folder });
      try {
        return limited(
          () =>
            renderTemplate(chat_template, {
              ...specials,
              messages: templateMessages(messages),
              tools: null,
              documents: null,
              add_generation_prompt: true,
            }),
          seconds,
        );
      } catch (error) {
        const templatePath =
          files.jinja === null ? configPath : join(folder, 'chat_template.jinja');
        throw new AttnDiffError('chat-template-unusable', {
          path: templatePath,
          problem: error instanceof Error ? error.message : String(error),
        });
      }
    },
  };
}

/** The pad_token that Hugging Face's Qwen2Tokenizer has where none is named. */
function classPadToken({ config }: TokenizerFiles, source: TokenizerSource): string | null {
  const qwen =
    /^Qwen2Tokenizer(Fast)?$/.test(String(config['tokenizer_class'])) ||
    source.config.modelType.startsWith('qwen');
  return qwen ? '<|endoftext|>' : null;
}

function checkRange(id: number, vocabSize: number): void {
  if (id < 0 || id >= vocabSize) throw new AttnDiffError('token-out-of-range', { id, vocabSize });
}

import { AttnDiffError } from '../errors.js';
import { isObject } from './json.js';
import type { TokenizerFiles } from './tokenizerFiles.js';

/** One message of a conversation, as a chat template reads it; other keys (tool_calls, …) are handed on. */
export interface ChatMessage {
  role: string;
  content?: unknown;
  [key: string]: unknown;
}

const REASONING = ['reasoning_content', 'thinking', 'reasoning'];

/**
 * The chat template that `apply_chat_template` takes: chat_template.jinja, else tokenizer_config.json's chat_template,
 * of a list the one named default.
 *
 * @returns null where there is none
 * @throws AttnDiffError chat-template-unusable where it is a list without a default, or neither a text nor a list
 */
export function chatTemplateOf(
  { config, jinja }: Pick<TokenizerFiles, 'config' | 'jinja'>,
  configPath: string,
): string | null {
  if (jinja !== null) return jinja;
  const template = config['chat_template'] ?? null;
  if (template === null || typeof template === 'string') return template;
  const bad = (problem: string): AttnDiffError =>
    new AttnDiffError('chat-template-unusable', { path: configPath, problem });
  if (!Array.isArray(template)) throw bad('its chat_template is neither a text nor a list');
  const named = template.filter(isObject);
  const chosen = named.find(({ name }) => name === 'default')?.['template'];
  if (typeof chosen !== 'string')
    throw bad(
      `its chat_template names no default, only ${named.map(({ name }) => String(name)).join(', ')}`,
    );
  return chosen;
}

/** The messages as transformers hands them to a template: reasoning goes by any of its names. */
export function templateMessages(messages: readonly ChatMessage[]): ChatMessage[] {
  return messages.map((message) => {
    const reasoning = REASONING.map((name) => message[name]).find(
      (value) => value !== undefined && value !== null,
    );
    return reasoning === undefined
      ? message
      : { thinking: reasoning, ...message, reasoning_content: reasoning };
  });
}

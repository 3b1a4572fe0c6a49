import type { PromptSource, RunConfig } from '../config/index.js';
import { AttnDiffError } from '../errors.js';
import type { ModelConfig, TextTokenizer } from '../model/index.js';
import { BUILT_IN_PROMPTS } from './builtIn.js';
import { readPrompts, type Prompt } from './prompts.js';
import { randomSequences } from './random.js';

const EXCERPT = 60;

/** No tokenizer has tokens of that many characters, long runs of spaces included; more would be cut off or refused. */
const CHARACTERS_PER_TOKEN = 512;
/** Characters of one prompt, whatever the model; making tokens of more takes minutes. */
const MOST_CHARACTERS = 4_000_000;

/** Token ids, one list per prompt, and where they come from. */
export interface Sequences {
  sequences: number[][];
  source: string;
}

type TextSource = Exclude<PromptSource, { kind: 'random' }>;

/**
 * Token ids of the run's prompts, in their order. Conversations always go through the chat template, texts do with
 * `chat`, each as one user message.
 *
 * @param tokenizer may be null for random prompts only
 * @throws AttnDiffError bad-option (--random beyond the model's positions), prompt-no-tokens, prompt-too-long, and
 *   those of readPrompts and of the tokenizer
 */
export async function makeSequences(
  config: Pick<RunConfig, 'prompts' | 'length' | 'chat'>,
  tokenizer: TextTokenizer | null,
  model: Pick<ModelConfig, 'vocabSize' | 'maxPositions'>,
): Promise<Sequences> {
  const { prompts } = config;
  if (prompts.kind !== 'random') return textSequences(prompts, config, tokenizer, model);
  const { batch, length } = prompts;
  if (length > model.maxPositions)
    throw beyondPositions('--random', `${batch}x${length}`, model.maxPositions);
  return {
    sequences: randomSequences({ ...prompts, vocabSize: model.vocabSize }),
    source: 'random',
  };
}

async function textSequences(
  prompts: TextSource,
  { length, chat }: Pick<RunConfig, 'length' | 'chat'>,
  tokenizer: TextTokenizer | null,
  { maxPositions }: Pick<ModelConfig, 'maxPositions'>,
): Promise<Sequences> {
  if (tokenizer === null) throw new TypeError('text prompts need a tokenizer');
  const given = await promptsOf(prompts);
  const sequences: number[][] = [];
  for (const prompt of given) {
    const characters = charactersOf(prompt);
    const most = Math.min(MOST_CHARACTERS, maxPositions * CHARACTERS_PER_TOKEN);
    if (characters > most)
      throw new AttnDiffError('prompt-too-large', { prompt: excerpt(prompt), characters, most });
    const ids = await encode(tokenizer, prompt, chat);
    if (ids.length === 0) throw new AttnDiffError('prompt-no-tokens', { prompt: excerpt(prompt) });
    if (length === null && ids.length > maxPositions) {
      throw new AttnDiffError('prompt-too-long', {
        prompt: excerpt(prompt),
        tokens: ids.length,
        limit: maxPositions,
      });
    }
    sequences.push(ids);
  }
  const template = chat || given.some((prompt) => typeof prompt !== 'string');
  return { sequences, source: `${sourceOf(prompts)}${template ? ', chat' : ''}` };
}

function encode(
  tokenizer: TextTokenizer,
  prompt: Prompt,
  chat: boolean,
): number[] | Promise<number[]> {
  if (typeof prompt !== 'string') return tokenizer.encodeChat(prompt);
  return chat
    ? tokenizer.encodeChat([{ role: 'user', content: prompt }])
    : tokenizer.encode(prompt);
}

async function promptsOf(prompts: TextSource): Promise<readonly Prompt[]> {
  if (prompts.kind === 'file' || prompts.kind === 'data') return readPrompts(prompts.path);
  return prompts.kind === 'texts' ? prompts.texts : BUILT_IN_PROMPTS;
}

function sourceOf(prompts: TextSource): string {
  if (prompts.kind === 'file' || prompts.kind === 'data') return prompts.path;
  return prompts.kind === 'texts' ? '--prompt' : prompts.kind;
}

/** The error for rows longer than the model takes. */
export function beyondPositions(option: string, value: string, limit: number): AttnDiffError {
  return new AttnDiffError('bad-option', {
    option,
    value,
    problem: `the model has ${limit} positions`,
    remedy: `at most ${limit} tokens`,
  });
}

function charactersOf(prompt: Prompt): number {
  if (typeof prompt === 'string') return prompt.length;
  return prompt.reduce(
    (sum, { content }) => sum + (typeof content === 'string' ? content.length : 0),
    0,
  );
}

/** The beginning of a prompt, of a conversation that of its last message, on one line. */
function excerpt(prompt: Prompt): string {
  const text = typeof prompt === 'string' ? prompt : String(prompt.at(-1)?.content ?? '');
  const line = [...text.slice(0, 4 * EXCERPT).replace(/\s+/g, ' ')];
  return line.length > EXCERPT ? `${line.slice(0, EXCERPT).join('')}…` : line.join('');
}

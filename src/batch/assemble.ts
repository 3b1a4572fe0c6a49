import type { PromptSource, RunConfig } from '../config/index.js';
import { AttnDiffError } from '../errors.js';
import type { ModelConfig, Tokenizer } from '../model/index.js';
import type { Batch } from '../types.js';
import { BUILT_IN_PROMPTS } from './builtIn.js';
import { buildBatch } from './pad.js';
import { readPrompts, type Prompt } from './prompts.js';
import { randomSequences } from './random.js';

const EXCERPT = 60;

/**
 * Makes the run's batches: one per padding side, in the order asked for, with the same sequences in the same order.
 * Each is named after its side. Conversations always go through the chat template, texts do with `chat`, each as one
 * user message.
 *
 * @param tokenizer may be null for random prompts only; their padding token then is config.json's, else its
 *   eos token, else 0
 * @throws AttnDiffError bad-option (--length or --random beyond the model's positions), prompt-no-tokens,
 *   prompt-too-long, token-out-of-range, and those of readPrompts and of the tokenizer
 */
export async function assembleBatches(
  config: Pick<RunConfig, 'prompts' | 'padding' | 'length' | 'chat'>,
  tokenizer: Tokenizer | null,
  model: Pick<ModelConfig, 'vocabSize' | 'maxPositions' | 'padTokenId' | 'eosTokenId'>,
): Promise<Batch[]> {
  const { prompts, length } = config;
  if (length !== null && length > model.maxPositions) throw beyondPositions('--length', `${length}`, model.maxPositions);
  const { sequences, source } = prompts.kind === 'random' ? randomRows(prompts, model) : await textRows(prompts, config, tokenizer, model);
  const padTokenId = tokenizer?.padTokenId ?? model.padTokenId ?? model.eosTokenId ?? 0;
  if (padTokenId >= model.vocabSize) throw new AttnDiffError('token-out-of-range', { id: padTokenId, vocabSize: model.vocabSize });
  return config.padding.map((padding) => buildBatch({ sequences, padding, padTokenId, length, source, name: padding }));
}

interface Rows {
  sequences: number[][];
  source: string;
}

type RandomSource = Extract<PromptSource, { kind: 'random' }>;
type TextSource = Exclude<PromptSource, { kind: 'random' }>;

function randomRows(prompts: RandomSource, { maxPositions, vocabSize }: Pick<ModelConfig, 'maxPositions' | 'vocabSize'>): Rows {
  const { batch, length } = prompts;
  if (length > maxPositions) throw beyondPositions('--random', `${batch}x${length}`, maxPositions);
  return { sequences: randomSequences({ ...prompts, vocabSize }), source: 'random' };
}

async function textRows(
  prompts: TextSource,
  { length, chat }: Pick<RunConfig, 'length' | 'chat'>,
  tokenizer: Tokenizer | null,
  { maxPositions }: Pick<ModelConfig, 'maxPositions'>,
): Promise<Rows> {
  if (tokenizer === null) throw new TypeError('text prompts need a tokenizer');
  const given = await promptsOf(prompts);
  const sequences = given.map((prompt) => {
    const ids = encode(tokenizer, prompt, chat);
    if (ids.length === 0) throw new AttnDiffError('prompt-no-tokens', { prompt: excerpt(prompt) });
    if (length === null && ids.length > maxPositions) {
      throw new AttnDiffError('prompt-too-long', { prompt: excerpt(prompt), tokens: ids.length, limit: maxPositions });
    }
    return ids;
  });
  const template = chat || given.some((prompt) => typeof prompt !== 'string');
  return { sequences, source: `${sourceOf(prompts)}${template ? ', chat' : ''}` };
}

function encode(tokenizer: Tokenizer, prompt: Prompt, chat: boolean): number[] {
  if (typeof prompt !== 'string') return tokenizer.encodeChat(prompt);
  return chat ? tokenizer.encodeChat([{ role: 'user', content: prompt }]) : tokenizer.encode(prompt);
}

async function promptsOf(prompts: TextSource): Promise<readonly Prompt[]> {
  if (prompts.kind === 'file') return readPrompts(prompts.path);
  return prompts.kind === 'texts' ? prompts.texts : BUILT_IN_PROMPTS;
}

function sourceOf(prompts: TextSource): string {
  if (prompts.kind === 'file') return prompts.path;
  return prompts.kind === 'texts' ? '--prompt' : prompts.kind;
}

function beyondPositions(option: string, value: string, limit: number): AttnDiffError {
  return new AttnDiffError('bad-option', {
    option,
    value,
    problem: `the model has ${limit} positions`,
    remedy: `at most ${limit} tokens`,
  });
}

/** The beginning of a prompt, of a conversation that of its last message, on one line. */
function excerpt(prompt: Prompt): string {
  const text = typeof prompt === 'string' ? prompt : String(prompt.at(-1)?.content ?? '');
  const line = [...text.slice(0, 4 * EXCERPT).replace(/\s+/g, ' ')];
  return line.length > EXCERPT ? `${line.slice(0, EXCERPT).join('')}…` : line.join('');
}

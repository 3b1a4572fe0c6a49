import type { PromptSource, RunConfig } from '../config/index.js';
import { AttnDiffError } from '../errors.js';
import type { ModelConfig, Tokenizer } from '../model/index.js';
import type { Batch } from '../types.js';
import { BUILT_IN_PROMPTS } from './builtIn.js';
import { buildBatch } from './pad.js';
import { readPrompts } from './prompts.js';
import { randomSequences } from './random.js';

const EXCERPT = 60;

/**
 * Makes the run's batches: one per padding side, in the order asked for, with the same sequences in the same order.
 * Each is named after its side.
 *
 * @param tokenizer may be null for random prompts only; their padding token then is config.json's, else its
 *   eos token, else 0
 * @throws AttnDiffError bad-option (--length or --random beyond the model's positions), prompt-no-tokens,
 *   prompt-too-long, token-out-of-range, and those of readPrompts and of the tokenizer
 */
export async function assembleBatches(
  config: Pick<RunConfig, 'prompts' | 'padding' | 'length'>,
  tokenizer: Tokenizer | null,
  model: Pick<ModelConfig, 'vocabSize' | 'maxPositions' | 'padTokenId' | 'eosTokenId'>,
): Promise<Batch[]> {
  const { prompts, length } = config;
  if (length !== null && length > model.maxPositions) throw beyondPositions('--length', `${length}`, model.maxPositions);
  const source = sourceOf(prompts);
  const sequences = await sequencesOf(prompts, length, tokenizer, model);
  const padTokenId = tokenizer?.padTokenId ?? model.padTokenId ?? model.eosTokenId ?? 0;
  if (padTokenId >= model.vocabSize) throw new AttnDiffError('token-out-of-range', { id: padTokenId, vocabSize: model.vocabSize });
  return config.padding.map((padding) => buildBatch({ sequences, padding, padTokenId, length, source, name: padding }));
}

async function sequencesOf(
  prompts: PromptSource,
  length: number | null,
  tokenizer: Tokenizer | null,
  { maxPositions, vocabSize }: Pick<ModelConfig, 'maxPositions' | 'vocabSize'>,
): Promise<number[][]> {
  if (prompts.kind === 'random') {
    const { batch, length: tokens } = prompts;
    if (tokens > maxPositions) throw beyondPositions('--random', `${batch}x${tokens}`, maxPositions);
    return randomSequences({ ...prompts, vocabSize });
  }
  if (tokenizer === null) throw new TypeError('text prompts need a tokenizer');
  const texts = await textsOf(prompts);
  return texts.map((text) => {
    const ids = tokenizer.encode(text);
    if (ids.length === 0) throw new AttnDiffError('prompt-no-tokens', { prompt: excerpt(text) });
    if (length === null && ids.length > maxPositions) {
      throw new AttnDiffError('prompt-too-long', { prompt: excerpt(text), tokens: ids.length, limit: maxPositions });
    }
    return ids;
  });
}

async function textsOf(prompts: Exclude<PromptSource, { kind: 'random' }>): Promise<readonly string[]> {
  if (prompts.kind === 'file') return readPrompts(prompts.path);
  return prompts.kind === 'texts' ? prompts.texts : BUILT_IN_PROMPTS;
}

function sourceOf(prompts: PromptSource): string {
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

/** The beginning of a prompt, on one line. */
function excerpt(text: string): string {
  const line = [...text.slice(0, 4 * EXCERPT).replace(/\s+/g, ' ')];
  return line.length > EXCERPT ? `${line.slice(0, EXCERPT).join('')}…` : line.join('');
}

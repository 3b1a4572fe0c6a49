import { z } from 'zod';
import { AttnDiffError } from '../errors.js';
import { PADDING_SIDES, type PaddingSide, type ShardPlace } from '../types.js';
import { filePath, integer, list, word } from './values.js';

/** Tokens that `--random` may ask for in all. */
const MAX_RANDOM_TOKENS = 2 ** 20;
const MAX_UINT32 = 2 ** 32 - 1;
const MOST_SHARDS = 10_000;

export type PromptSource =
  | { kind: 'built-in' }
  | { kind: 'texts'; texts: string[] }
  | { kind: 'file'; path: string }
  /** As a file, but in batches of a few rows. */
  | { kind: 'data'; path: string }
  | { kind: 'random'; batch: number; length: number; seed: number };

/** What the batches of a run are made of. */
export interface RunInputs {
  prompts: PromptSource;
  /** Put texts through the model's chat template. */
  chat: boolean;
  /** Rows in a batch of prompts of kind `data`. */
  batchSize: number;
  /** Tokens per row; null for the longest prompt, packed for twice as many. */
  length: number | null;
  /** One batch each, of prompts of kind `data` one side only, and with a mask. */
  padding: PaddingSide[];
  /** Whether prompts share rows, as documents. */
  pack: boolean;
  /** Tokens of each row to prefill, the others being decoded with them as past; 0 for one pass. Rows are left-padded then. */
  past: number;
  /** The file of a 4D mask; null without. */
  mask: string | null;
  /** Which of these batches are run; null for all. */
  shard: ShardPlace | null;
  /** Whether to go on from what an interrupted run left. */
  resume: boolean;
}

/** Options as commander hands them over: absent where not given. */
export interface RawInputOptions {
  prompts?: string | undefined;
  prompt?: string[] | undefined;
  data?: string | undefined;
  batchSize?: string | undefined;
  random?: string | undefined;
  seed?: string | undefined;
  chat?: boolean | undefined;
  length?: string | undefined;
  padding?: string | undefined;
  pack?: boolean | undefined;
  past?: string | undefined;
  mask?: string | undefined;
  shard?: string | undefined;
  resume?: boolean | undefined;
}

const rowsByTokens = z
  .string()
  .transform((text) => /^(\d+)x(\d+)$/i.exec(text))
  .refine((match) => match !== null, { error: 'it is not of the form BxT', abort: true })
  .transform((match) => ({ batch: Number(match?.[1]), length: Number(match?.[2]) }))
  .refine(({ batch, length }) => batch >= 1 && length >= 1, {
    error: 'both numbers must be at least 1',
    abort: true,
  })
  .refine(
    ({ batch, length }) => batch * length <= MAX_RANDOM_TOKENS,
    `it is more than ${MAX_RANDOM_TOKENS} tokens`,
  );

const oneOfSeveral = z
  .string()
  .transform((text) => /^(\d+)\/(\d+)$/.exec(text))
  .refine((match) => match !== null, { error: 'it is not of the form i/n', abort: true })
  .transform((match): ShardPlace => ({ index: Number(match?.[1]), count: Number(match?.[2]) }))
  .refine(({ count }) => count >= 1 && count <= MOST_SHARDS, {
    error: `the second number is not between 1 and ${MOST_SHARDS}`,
    abort: true,
  })
  .refine(
    ({ index, count }) => index >= 1 && index <= count,
    'the first number is not between 1 and the second',
  );

const wholeNumber = integer(1, Number.MAX_SAFE_INTEGER);

export const inputFields = {
  prompts: filePath.optional(),
  prompt: z.array(z.string().min(1, 'it is empty')).default([]),
  data: filePath.optional(),
  batchSize: z.string().default('8').pipe(wholeNumber),
  random: rowsByTokens.optional(),
  seed: z.string().default('0').pipe(integer(0, MAX_UINT32)),
  chat: z.boolean().default(false),
  length: wholeNumber.optional(),
  padding: list(word(PADDING_SIDES))
    .refine((sides) => new Set(sides).size === sides.length, 'it names a side twice')
    .optional(),
  pack: z.boolean().default(false),
  past: wholeNumber.optional(),
  mask: filePath.optional(),
  shard: oneOfSeveral.optional(),
  resume: z.boolean().default(false),
};

type InputOptions = z.output<z.ZodObject<typeof inputFields>>;

export const INPUT_OPTIONS: Record<keyof InputOptions, { flag: string; accepts: string }> = {
  prompts: {
    flag: '--prompts',
    accepts: 'a text file with one prompt a line, or JSONL with "text" or "messages"',
  },
  prompt: { flag: '--prompt', accepts: 'a text of at least one character' },
  data: {
    flag: '--data',
    accepts: 'JSONL with "text" or "messages", or a text file with one prompt a line',
  },
  batchSize: { flag: '--batch-size', accepts: 'a whole number of rows, at least 1' },
  random: {
    flag: '--random',
    accepts: `rows x tokens, such as 4x128, up to ${MAX_RANDOM_TOKENS} tokens`,
  },
  seed: { flag: '--seed', accepts: `a whole number from 0 to ${MAX_UINT32}` },
  chat: { flag: '--chat', accepts: 'it without a value' },
  length: { flag: '--length', accepts: 'a whole number of tokens, at least 1' },
  padding: { flag: '--padding', accepts: 'left, right, or left,right' },
  pack: { flag: '--pack', accepts: 'it without a value' },
  past: { flag: '--past', accepts: 'a whole number of tokens, at least 1' },
  mask: { flag: '--mask', accepts: 'a .npy or .safetensors file with a mask of four dimensions' },
  shard: { flag: '--shard', accepts: 'which part of how many, such as 1/4' },
  resume: { flag: '--resume', accepts: 'it without a value' },
};

/**
 * What the options come to together: defaults that hang on other options are filled in, and options that do not go
 * together are refused.
 *
 * @throws AttnDiffError bad-option
 */
export function runInputs(options: InputOptions, raw: RawInputOptions): RunInputs {
  const prompts = promptSource(options, raw);
  checkTogether(options, raw);
  const {
    chat,
    batchSize,
    length = null,
    pack,
    past = 0,
    mask = null,
    shard = null,
    resume,
  } = options;
  return {
    prompts,
    chat,
    batchSize,
    length,
    padding: paddingSides(options, raw),
    pack,
    past,
    mask,
    shard,
    resume,
  };
}

function promptSource(
  { prompts, prompt, data, random, seed, chat }: InputOptions,
  raw: RawInputOptions,
): PromptSource {
  const sources = ['prompts', 'prompt', 'data', 'random'] as const;
  const [first, second] = sources.filter((key) =>
    key === 'prompt' ? prompt.length > 0 : raw[key] !== undefined,
  );
  if (first !== undefined && second !== undefined) {
    throw refused(
      second,
      raw,
      `it cannot be combined with ${INPUT_OPTIONS[first].flag}`,
      'one of --prompts, --prompt, --data and --random',
    );
  }
  if (chat && random !== undefined)
    throw refused(
      'random',
      raw,
      'random tokens go through no chat template',
      'either --chat or --random',
    );
  if (prompts !== undefined) return { kind: 'file', path: prompts };
  if (data !== undefined) return { kind: 'data', path: data };
  if (random !== undefined) return { kind: 'random', ...random, seed };
  return prompt.length > 0 ? { kind: 'texts', texts: prompt } : { kind: 'built-in' };
}

function checkTogether(
  { pack, past, mask, data, length, resume }: InputOptions,
  raw: RawInputOptions,
): void {
  if (past !== undefined && pack)
    throw refused('past', raw, 'it cannot be combined with --pack', 'either --past or --pack');
  if (past !== undefined && mask !== undefined)
    throw refused('past', raw, 'it cannot be combined with --mask', 'either --past or --mask');
  if (past !== undefined && data !== undefined && length === undefined)
    throw refused(
      'past',
      raw,
      'the batches of --data have lengths of their own, and decode as many steps each',
      '--length with it, so that all rows are of one length',
    );
  if (resume && data === undefined)
    throw refused(
      'resume',
      raw,
      'only a run of --data keeps batches to go on from',
      '--data with it, or leave it out',
    );
  if (data === undefined && raw.batchSize !== undefined)
    throw refused(
      'batchSize',
      raw,
      'it divides what --data names, and there is none',
      '--data with it, or leave it out',
    );
}

/** Both sides, but left with a past, and right where one side only is possible. */
function paddingSides(
  { padding, past, mask, data }: InputOptions,
  raw: RawInputOptions,
): PaddingSide[] {
  if (past !== undefined) {
    if (padding?.includes('right'))
      throw refused(
        'padding',
        raw,
        'rows with a past (--past) are padded on the left',
        'left, or leave it out',
      );
    return ['left'];
  }
  const single = mask === undefined ? (data === undefined ? null : '--data') : '--mask';
  if (single === null) return padding ?? [...PADDING_SIDES];
  if (padding !== undefined && padding.length > 1)
    throw refused('padding', raw, `with ${single}, rows are padded on one side`, 'left or right');
  return padding ?? ['right'];
}

function refused(
  key: keyof InputOptions,
  raw: RawInputOptions,
  problem: string,
  remedy: string,
): AttnDiffError {
  return new AttnDiffError('bad-option', {
    option: INPUT_OPTIONS[key].flag,
    value: String(raw[key]),
    problem,
    remedy,
  });
}

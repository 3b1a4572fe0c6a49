import { z } from 'zod';
import { AttnDiffError } from '../errors.js';
import { DTYPES, type Dtype } from '../model/dtype.js';
import type { GateOptions, MaskFill, PaddingSide, Stream } from '../types.js';
import { IMPLEMENTATIONS, MASK_FILLS, PADDING_SIDES } from '../types.js';
import { nameStreams, withReference } from './streams.js';
import { decimal, integer, list, word } from './values.js';

/** Tokens that `--random` may ask for in all. */
const MAX_RANDOM_TOKENS = 2 ** 20;
const MAX_UINT32 = 2 ** 32 - 1;

export type PromptSource =
  | { kind: 'built-in' }
  | { kind: 'texts'; texts: string[] }
  | { kind: 'file'; path: string }
  | { kind: 'random'; batch: number; length: number; seed: number };

/** Everything that `attn-diff run` was asked for, checked. */
export interface RunConfig {
  model: string;
  /** Which of the model's ONNX files; null for model.onnx, or the only one. */
  dtype: Dtype | null;
  /** In the order asked for; the reference comes first where it was not among them. */
  implementations: Stream[];
  /** The label of one of the implementations. */
  reference: string;
  padding: PaddingSide[];
  prompts: PromptSource;
  /** Put texts through the model's chat template. */
  chat: boolean;
  /** Tokens per row; null for the longest prompt. */
  length: number | null;
  maskFill: MaskFill;
  gate: GateOptions;
  format: OutputFormat;
  /** Null for standard output. */
  output: string | null;
}

const FORMATS = ['text', 'json'] as const;
export type OutputFormat = (typeof FORMATS)[number];

/** Options as commander hands them over: strings, absent where not given and without a default. */
export interface RawRunOptions {
  model?: string | undefined;
  dtype?: string | undefined;
  impl?: string | undefined;
  reference?: string | undefined;
  prompts?: string | undefined;
  prompt?: string[] | undefined;
  random?: string | undefined;
  seed?: string | undefined;
  chat?: boolean | undefined;
  length?: string | undefined;
  padding?: string | undefined;
  maskFill?: string | undefined;
  maxAbs?: string | undefined;
  minCosine?: string | undefined;
  failOn?: string | undefined;
  format?: string | undefined;
  output?: string | undefined;
}

export const filePath = z.string().min(1, 'it is empty');

const rowsByTokens = z
  .string()
  .transform((text) => /^(\d+)x(\d+)$/i.exec(text))
  .refine((match) => match !== null, { error: 'it is not of the form BxT', abort: true })
  .transform((match) => ({ batch: Number(match?.[1]), length: Number(match?.[2]) }))
  .refine(({ batch, length }) => batch >= 1 && length >= 1, { error: 'both numbers must be at least 1', abort: true })
  .refine(({ batch, length }) => batch * length <= MAX_RANDOM_TOKENS, `it is more than ${MAX_RANDOM_TOKENS} tokens`);

export const dtypeName = word(DTYPES).nullable().default(null);

const schema = z.object({
  model: filePath,
  dtype: dtypeName,
  impl: z.string().default('eager,sdpa,flash').pipe(list(z.string().min(1, 'it has an empty name'))),
  reference: z.string().min(1, 'it is empty').default('eager'),
  prompts: filePath.optional(),
  prompt: z.array(z.string().min(1, 'it is empty')).default([]),
  random: rowsByTokens.optional(),
  seed: z.string().default('0').pipe(integer(0, MAX_UINT32)),
  chat: z.boolean().default(false),
  length: integer(1, Number.MAX_SAFE_INTEGER).optional(),
  padding: z
    .string()
    .default('left,right')
    .pipe(list(word(PADDING_SIDES)))
    .refine((sides) => new Set(sides).size === sides.length, 'it names a side twice'),
  maskFill: z.string().default('min').pipe(word(MASK_FILLS)),
  maxAbs: decimal(0, Number.MAX_VALUE, 'it is negative or not finite').optional(),
  minCosine: decimal(-1, 1, 'it is not between -1 and 1').optional(),
  failOn: z.string().default('nan').pipe(word(['nan', 'none'])),
  format: z.string().default('text').pipe(word(FORMATS)),
  output: filePath.optional(),
});

type Key = keyof typeof schema.shape;

const OPTIONS: Record<Key, { flag: string; accepts: string }> = {
  model: { flag: '--model', accepts: 'a model folder, an .onnx file, or owner/name of a model on the hub' },
  dtype: { flag: '--dtype', accepts: `one of ${DTYPES.join(', ')}` },
  impl: { flag: '--impl', accepts: `a list of ${IMPLEMENTATIONS.join(', ')}, such as eager,flash` },
  reference: { flag: '--reference', accepts: `one of ${IMPLEMENTATIONS.join(', ')}` },
  prompts: { flag: '--prompts', accepts: 'a text file with one prompt a line, or JSONL with "text" or "messages"' },
  prompt: { flag: '--prompt', accepts: 'a text of at least one character' },
  random: { flag: '--random', accepts: `rows x tokens, such as 4x128, up to ${MAX_RANDOM_TOKENS} tokens` },
  seed: { flag: '--seed', accepts: `a whole number from 0 to ${MAX_UINT32}` },
  chat: { flag: '--chat', accepts: 'it without a value' },
  length: { flag: '--length', accepts: 'a whole number of tokens, at least 1' },
  padding: { flag: '--padding', accepts: 'left, right, or left,right' },
  maskFill: { flag: '--mask-fill', accepts: 'min or -inf (--mask-fill=-inf)' },
  maxAbs: { flag: '--max-abs', accepts: 'a number of at least 0, such as 1e-3' },
  minCosine: { flag: '--min-cosine', accepts: 'a number from -1 to 1, such as 0.999' },
  failOn: { flag: '--fail-on', accepts: 'nan or none' },
  format: { flag: '--format', accepts: 'text or json' },
  output: { flag: '--output', accepts: 'a path of the file to write' },
};

/**
 * Checks the options of `attn-diff run` and fills in the defaults. Nothing is opened.
 *
 * @throws AttnDiffError bad-option (the first that is wrong), unknown-implementation
 */
export function parseRunOptions(raw: RawRunOptions): RunConfig {
  const parsed = schema.safeParse(raw);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    if (issue) throw badOption(issue, raw);
    throw parsed.error;
  }
  const options = parsed.data;
  return {
    model: options.model,
    dtype: options.dtype,
    ...withReference(nameStreams(options.impl), options.reference),
    padding: options.padding,
    prompts: promptSource(options, raw),
    chat: options.chat,
    length: options.length ?? null,
    maskFill: options.maskFill,
    gate: gateOptions(options),
    format: options.format,
    output: options.output ?? null,
  };
}

function promptSource({ prompts, prompt, random, seed, chat }: z.output<typeof schema>, raw: RawRunOptions): PromptSource {
  const given: Key[] = [];
  if (prompts !== undefined) given.push('prompts');
  if (prompt.length > 0) given.push('prompt');
  if (random !== undefined) given.push('random');
  const [first, second] = given;
  if (first !== undefined && second !== undefined) {
    throw new AttnDiffError('bad-option', {
      option: OPTIONS[second].flag,
      value: String(raw[second]),
      problem: `it cannot be combined with ${OPTIONS[first].flag}`,
      remedy: 'one of --prompts, --prompt and --random',
    });
  }
  if (chat && random !== undefined) {
    throw new AttnDiffError('bad-option', { option: OPTIONS.random.flag, value: String(raw.random), problem: 'random tokens go through no chat template', remedy: 'either --chat or --random' });
  }
  if (prompts !== undefined) return { kind: 'file', path: prompts };
  if (random !== undefined) return { kind: 'random', ...random, seed };
  return prompt.length > 0 ? { kind: 'texts', texts: prompt } : { kind: 'built-in' };
}

function gateOptions({ maxAbs, minCosine, failOn }: z.output<typeof schema>): GateOptions {
  return { failOn, ...(maxAbs !== undefined && { maxAbs }), ...(minCosine !== undefined && { minCosine }) };
}

/** The error for what a schema found wrong in the options. */
export function badOption({ path: [first, index], message }: z.core.$ZodIssue, raw: RawRunOptions): AttnDiffError {
  const key = first as Key;
  const { flag, accepts } = OPTIONS[key];
  const given = raw[key];
  const value = given === undefined ? null : String((Array.isArray(given) ? given[Number(index)] : given) ?? '');
  return new AttnDiffError('bad-option', { option: flag, value, problem: given === undefined ? 'it is missing' : message, remedy: accepts });
}

import { z } from 'zod';
import { AttnDiffError } from '../errors.js';
import { DTYPES } from '../model/dtype.js';
import {
  ALIGNMENTS,
  ATTENTION_PRECISIONS,
  IMPLEMENTATIONS,
  LEVELS,
  MASK_FILLS,
  PROVIDERS,
} from '../types.js';
import { BASELINE_OPTIONS, baselineFields, type RawBaselineOptions } from './baseline.js';
import { HINTS } from './hints.js';
import { INPUT_OPTIONS, inputFields, type RawInputOptions } from './inputs.js';
import { KEEPING_OPTIONS, keepingFields, type RawKeepingOptions } from './keeping.js';
import { REPORT_OPTIONS, reportFields, type RawReportOptions } from './reports.js';
import { LARGEST_BLOCK } from './streams.js';
import { decimal, filePath, integer, list, word } from './values.js';

/** Options as commander hands them over: strings, absent where not given and without a default. */
export interface RawRunOptions
  extends RawInputOptions, RawReportOptions, RawBaselineOptions, RawKeepingOptions {
  model?: string | undefined;
  dtype?: string | undefined;
  impl?: string | undefined;
  reference?: string | undefined;
  provider?: string | undefined;
  timeout?: string | undefined;
  maskFill?: string | undefined;
  precision?: string | undefined;
  scoresPrecision?: string | undefined;
  softmaxPrecision?: string | undefined;
  activations?: string | undefined;
  flashBlock?: string | undefined;
  causalAlignment?: string | undefined;
  heads?: boolean | undefined;
  maxAbs?: string | undefined;
  minCosine?: string | undefined;
  maxRatio?: string | undefined;
  defaultBudgets?: string | undefined;
  failOn?: string | undefined;
  requireKernel?: boolean | undefined;
  saveRepro?: string | undefined;
}

export const seconds = decimal(0.001, 86_400, 'it is not between 0.001 and 86400');
export const implementationNames = list(
  z.string().min(1, 'it has an empty name').register(HINTS, { words: IMPLEMENTATIONS }),
);
export const DEFAULT_IMPLEMENTATIONS = 'eager,sdpa,flash';
export const dtypeName = word(DTYPES).nullable().default(null);

/** The options of `attn-diff run`, as commander hands them over. */
export const runSchema = z.object({
  model: filePath,
  dtype: dtypeName,
  impl: z.string().default(DEFAULT_IMPLEMENTATIONS).pipe(implementationNames),
  reference: z
    .string()
    .min(1, 'it is empty')
    .register(HINTS, { words: IMPLEMENTATIONS })
    .default('eager'),
  provider: z.string().default('cpu').pipe(word(PROVIDERS)),
  timeout: seconds.optional(),
  ...inputFields,
  maskFill: z.string().default('min').pipe(word(MASK_FILLS)),
  precision: z.string().default('fp32').pipe(word(ATTENTION_PRECISIONS)),
  scoresPrecision: word(ATTENTION_PRECISIONS).optional(),
  softmaxPrecision: z.string().default('fp32').pipe(word(ATTENTION_PRECISIONS)),
  activations: word(['fp16', 'bf16']).optional(),
  flashBlock: z.string().default('128').pipe(integer(1, LARGEST_BLOCK)),
  causalAlignment: z.string().default('bottom-right').pipe(word(ALIGNMENTS)),
  heads: z.boolean().default(false),
  maxAbs: decimal(0, Number.MAX_VALUE, 'it is negative or not finite').optional(),
  minCosine: decimal(-1, 1, 'it is not between -1 and 1').optional(),
  maxRatio: decimal(0, Number.MAX_VALUE, 'it is negative or not finite').optional(),
  failOn: z
    .string()
    .default('nan')
    .pipe(word(['nan', 'none'])),
  requireKernel: z.boolean().default(false),
  saveRepro: filePath.optional(),
  defaultBudgets: z.string().default('error').pipe(word(LEVELS)),
  ...baselineFields,
  ...keepingFields,
  ...reportFields,
});

/** How an option is written, and what it takes. */
export interface OptionHelp {
  flag: string;
  accepts: string;
}

export const RUN_OPTIONS: Record<keyof typeof runSchema.shape, OptionHelp> = {
  model: {
    flag: '--model',
    accepts: 'a model folder, an .onnx file, or owner/name of a model on the hub',
  },
  dtype: { flag: '--dtype', accepts: `one of ${DTYPES.join(', ')}` },
  impl: { flag: '--impl', accepts: `a list of ${IMPLEMENTATIONS.join(', ')}, such as eager,flash` },
  reference: { flag: '--reference', accepts: `one of ${IMPLEMENTATIONS.join(', ')}` },
  provider: { flag: '--provider', accepts: `one of ${PROVIDERS.join(', ')}` },
  timeout: { flag: '--timeout', accepts: 'a number of seconds, such as 600' },
  ...INPUT_OPTIONS,
  maskFill: { flag: '--mask-fill', accepts: 'min, -inf or -1e4 (--mask-fill=-inf)' },
  precision: { flag: '--precision', accepts: 'fp32, fp16 or bf16' },
  scoresPrecision: { flag: '--scores-precision', accepts: 'fp32, fp16 or bf16' },
  softmaxPrecision: { flag: '--softmax-precision', accepts: 'fp32, fp16 or bf16' },
  activations: { flag: '--activations', accepts: 'fp16 or bf16' },
  flashBlock: {
    flag: '--flash-block',
    accepts: `a whole number of keys from 1 to ${LARGEST_BLOCK}`,
  },
  causalAlignment: { flag: '--causal-alignment', accepts: 'bottom-right or top-left' },
  heads: { flag: '--heads', accepts: 'it without a value' },
  maxAbs: { flag: '--max-abs', accepts: 'a number of at least 0, such as 1e-3' },
  minCosine: { flag: '--min-cosine', accepts: 'a number from -1 to 1, such as 0.999' },
  maxRatio: { flag: '--max-ratio', accepts: 'a number of at least 0, such as 2' },
  failOn: { flag: '--fail-on', accepts: 'nan or none' },
  requireKernel: { flag: '--require-kernel', accepts: 'it without a value' },
  saveRepro: { flag: '--save-repro', accepts: 'a path of the folder to write' },
  defaultBudgets: { flag: '--default-budgets', accepts: `one of ${LEVELS.join(', ')}` },
  ...BASELINE_OPTIONS,
  ...KEEPING_OPTIONS,
  ...REPORT_OPTIONS,
};

/**
 * Checks the options of a command and fills in the defaults.
 *
 * @param raw as commander hands them over
 * @param options what each option of the command takes
 * @throws AttnDiffError bad-option, for the first that is wrong
 */
export function checkedOptions<S extends z.ZodObject>(
  schema: S,
  raw: object,
  options: Readonly<Record<keyof S['shape'] & string, OptionHelp>>,
): z.output<S> {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  throw badOption(parsed.error.issues[0]!, raw, options);
}

function badOption<K extends string>(
  { path: [first, index], message }: z.core.$ZodIssue,
  raw: Partial<Record<K, unknown>>,
  options: Readonly<Record<K, OptionHelp>>,
): AttnDiffError {
  const key = first as K;
  const { flag, accepts } = options[key];
  const given = raw[key];
  const value =
    given === undefined
      ? null
      : String((Array.isArray(given) ? given[Number(index)] : given) ?? '');
  return new AttnDiffError('bad-option', {
    option: flag,
    value,
    problem: given === undefined ? 'it is missing' : message,
    remedy: accepts,
  });
}

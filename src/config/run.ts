import { z } from 'zod';
import { AttnDiffError } from '../errors.js';
import { DTYPES, type Dtype } from '../model/dtype.js';
import type { AttentionPrecision, Budget, GateOptions, Stream } from '../types.js';
import { ALIGNMENTS, ATTENTION_PRECISIONS, IMPLEMENTATIONS, LEVELS, MASK_FILLS, PROVIDERS } from '../types.js';
import { BASELINE_OPTIONS, baselineConfig, baselineFields, type BaselineConfig, type RawBaselineOptions } from './baseline.js';
import { HINTS } from './hints.js';
import { KEEPING_OPTIONS, keepingConfig, keepingFields, type KeepingConfig, type RawKeepingOptions } from './keeping.js';
import { INPUT_OPTIONS, inputFields, runInputs, type RawInputOptions, type RunInputs } from './inputs.js';
import { REPORT_OPTIONS, reportFields, reportTargets, type RawReportOptions, type ReportTarget } from './reports.js';
import { LARGEST_BLOCK, nameStreams, withReference } from './streams.js';
import { decimal, filePath, integer, list, word } from './values.js';

/** Everything that `attn-diff run` was asked for, checked. */
export interface RunConfig extends RunInputs, BaselineConfig, KeepingConfig {
  model: string;
  /** Which of the model's ONNX files; null for model.onnx, or the only one. */
  dtype: Dtype | null;
  /** In the order asked for; the reference comes first where it was not among them. */
  implementations: Stream[];
  /** The label of one of the implementations. */
  reference: string;
  /** What attention is run in, where an implementation does not say otherwise. */
  precision: AttentionPrecision;
  /** What every floating-point result of the graph is rounded to; null for what the file computes in. */
  activations: Exclude<AttentionPrecision, 'fp32'> | null;
  /** Whether ranges are told by head. */
  heads: boolean;
  /** Whether every format tells them, or only that which always does. */
  headsTold: boolean;
  /** Seconds that one step may take in the process of an implementation; null for no limit. */
  timeout: number | null;
  /** The folder that a reproduction of the gravest divergence goes to; null for none. */
  saveRepro: string | null;
  gate: GateOptions;
  /** What is written, and where; at most one of them to standard output. */
  reports: ReportTarget[];
  /** Whether a CI server is told of its own accord. */
  ci: boolean;
  /** The arguments of attn-diff that make the whole run, without those that only say where and how its report is written. */
  command: string[];
}

/** Options as commander hands them over: strings, absent where not given and without a default. */
export interface RawRunOptions extends RawInputOptions, RawReportOptions, RawBaselineOptions, RawKeepingOptions {
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
export const implementationNames = list(z.string().min(1, 'it has an empty name').register(HINTS, { words: IMPLEMENTATIONS }));
export const dtypeName = word(DTYPES).nullable().default(null);

/** The options of `attn-diff run`, as commander hands them over. */
export const runSchema = z.object({
  model: filePath,
  dtype: dtypeName,
  impl: z.string().default('eager,sdpa,flash').pipe(implementationNames),
  reference: z.string().min(1, 'it is empty').register(HINTS, { words: IMPLEMENTATIONS }).default('eager'),
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
  failOn: z.string().default('nan').pipe(word(['nan', 'none'])),
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
  model: { flag: '--model', accepts: 'a model folder, an .onnx file, or owner/name of a model on the hub' },
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
  flashBlock: { flag: '--flash-block', accepts: `a whole number of keys from 1 to ${LARGEST_BLOCK}` },
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
 * Checks the options of `attn-diff run` and fills in the defaults. Nothing is opened.
 *
 * @throws AttnDiffError bad-option (the first that is wrong), unknown-implementation
 */
export function parseRunOptions(raw: RawRunOptions, subcommand: string = 'run'): RunConfig {
  const parsed = runSchema.safeParse(raw);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    if (issue) throw badOption(issue, raw, RUN_OPTIONS);
    throw parsed.error;
  }
  const options = parsed.data;
  const reports = reportTargets(options, raw);
  if (options.shard) refuseOfShard(raw);
  const { provider, precision, scoresPrecision = null, softmaxPrecision, flashBlock, maskFill, causalAlignment: alignment } = options;
  const defaults = { provider, precision, scoresPrecision, softmaxPrecision, flashBlock, maskFill, alignment };
  return {
    model: options.model,
    dtype: options.dtype,
    ...withReference(nameStreams(options.impl, defaults), options.reference, defaults),
    ...runInputs(options, raw),
    precision,
    activations: options.activations ?? null,
    heads: options.heads || reports.some(({ format }) => format === 'html'),
    headsTold: options.heads,
    timeout: options.timeout ?? null,
    saveRepro: options.saveRepro ?? null,
    gate: gateOptions(options),
    reports,
    ci: options.ci,
    ...baselineConfig(options, raw, reports),
    ...keepingOfRun(options, reports),
    command: commandOf(subcommand, raw),
  };
}

/** A part of a run is held against no whole one, and none against it; what merge makes of all parts is. */
function refuseOfShard(raw: RawRunOptions): void {
  const key = (['baseline', 'saveBaseline'] as const).find((each) => raw[each] !== undefined);
  if (key) throw new AttnDiffError('bad-option', { option: RUN_OPTIONS[key].flag, value: raw[key] ?? null, problem: 'a shard has some of the numbers of a run only', remedy: 'it to attn-diff merge instead' });
}

function gateOptions({ maxAbs, minCosine, maxRatio, defaultBudgets, failOn, requireKernel }: z.output<typeof runSchema>): GateOptions {
  const limits = [['max-abs', maxAbs, RUN_OPTIONS.maxAbs], ['min-cosine', minCosine, RUN_OPTIONS.minCosine], ['max-ratio', maxRatio, RUN_OPTIONS.maxRatio]] as const;
  const budgets = limits.flatMap(([metric, limit, { flag }]): Budget[] =>
    limit === undefined ? [] : [{ metric, limit, level: 'error', taps: null, scopes: null, layers: null, implementations: null, batches: null, kinds: ['valid'], source: { kind: 'flag', flag } }],
  );
  return { budgets, defaults: defaultBudgets, findings: {}, failOn, requireKernel };
}

/** A shard is noted when all are joined. */
function keepingOfRun(options: z.output<typeof runSchema>, reports: readonly ReportTarget[]): KeepingConfig {
  const { history, shard, saveBaseline = null } = options;
  if (history !== undefined && shard !== undefined) throw new AttnDiffError('bad-option', { option: '--history', value: history, problem: 'a shard is a part of a run', remedy: 'it to attn-diff merge' });
  return keepingConfig(options, reports, [saveBaseline]);
}

/** Options that say where and how a report is written, or which part of it, and nothing of what is in the whole. */
const WRITING: ReadonlySet<string> = new Set(['report', 'format', 'output', 'ci', 'shard', 'resume', 'saveRepro', 'saveBaseline', 'history', 'label']);

/** The options that were given as arguments, in the order of {@link RUN_OPTIONS}. */
function commandOf(subcommand: string, raw: RawRunOptions): string[] {
  const given = (Object.keys(RUN_OPTIONS) as (keyof RawRunOptions)[]).filter((key) => raw[key] !== undefined && !WRITING.has(key) && !(subcommand === 'demo' && key === 'model'));
  return [subcommand, ...given.flatMap((key) => [raw[key]].flat().flatMap((value) => argumentsOf(RUN_OPTIONS[key].flag, value)))];
}

/** An option as arguments; none where it was not given. */
export function argumentsOf(flag: string, value: string | boolean | undefined): string[] {
  if (typeof value !== 'string') return value ? [flag] : [];
  return value.startsWith('-') ? [`${flag}=${value}`] : [flag, value];
}

/**
 * The error for what a schema found wrong in the options.
 *
 * @param options what each option of the command takes
 */
export function badOption<K extends string>({ path: [first, index], message }: z.core.$ZodIssue, raw: Partial<Record<K, unknown>>, options: Readonly<Record<K, OptionHelp>>): AttnDiffError {
  const key = first as K;
  const { flag, accepts } = options[key];
  const given = raw[key];
  const value = given === undefined ? null : String((Array.isArray(given) ? given[Number(index)] : given) ?? '');
  return new AttnDiffError('bad-option', { option: flag, value, problem: given === undefined ? 'it is missing' : message, remedy: accepts });
}

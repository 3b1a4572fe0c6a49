import type { z } from 'zod';
import { AttnDiffError } from '../errors.js';
import type { Dtype } from '../model/dtype.js';
import type {
  AttentionPrecision,
  Budget,
  CheckSource,
  ConfigurationInfo,
  GateOptions,
  Stream,
} from '../types.js';
import { baselineConfig, type BaselineConfig } from './baseline.js';
import { configurationOf } from './configuration.js';
import { inFile, withFile, type ConfigFile } from './file.js';
import { keepingConfig, type KeepingConfig } from './keeping.js';
import { runInputs, type RunInputs } from './inputs.js';
import { reportTargets, type ReportTarget } from './reports.js';
import { checkedOptions, RUN_OPTIONS, runSchema, type RawRunOptions } from './runOptions.js';
import { nameStreams, withReference } from './streams.js';
import { UNSET_OPTION, withoutKeys } from './unset.js';

/** Everything that `attn-diff run` was asked for, checked. */
export interface RunConfig extends RunInputs, BaselineConfig, KeepingConfig {
  model: string;
  /** Which of the model's ONNX files; null for model.onnx, or the only one. */
  dtype: Dtype | null;
  /** In the order asked for; the reference comes first where it was not among them. */
  implementations: Stream[];
  /** Whether they were asked for by name, so that one that cannot be built is an error and not left out. */
  isImplGiven: boolean;
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
  /** The configuration file that took part; null for none. */
  configFile: string | null;
  /** What it does to the run, but for its budgets; null without one. */
  configuration: ConfigurationInfo | null;
}

export interface ParseOptions {
  /** `run`, `explain` or `demo`. */
  subcommand?: string;
  /** What sets the options that are not given. */
  file?: ConfigFile | null;
  /** What was said of that file: `--config` with its name, or `--no-config`. */
  fileArguments?: readonly string[];
  /** Keys that it is taken not to have, between commas. */
  unset?: string | undefined;
  /** What a caller sets that flags cannot say. */
  called?: CalledGate;
}

/** Budgets and levels of findings that come after those of a file, and before the flags. */
export type CalledGate = Pick<GateOptions, 'budgets' | 'findings'>;

/**
 * Checks the options of `attn-diff run` and fills in the defaults. Nothing is opened.
 *
 * @throws AttnDiffError bad-option (the first that is wrong), unknown-implementation; config-file-invalid where the
 *   file sets it; config-file-outside
 */
export function parseRunOptions(
  given: RawRunOptions,
  {
    subcommand = 'run',
    file: whole = null,
    fileArguments = [],
    unset,
    called = { budgets: [], findings: {} },
  }: ParseOptions = {},
): RunConfig {
  const file = unset === undefined ? whole : withoutKeys(whole, unset);
  const turnedOff =
    whole === null
      ? []
      : (Object.keys(given) as (keyof RawRunOptions)[]).filter(
          (key) => given[key] === false && key !== 'ci' && whole.raw[key] === true,
        );
  const keys = [...(unset === undefined ? [] : [unset]), ...turnedOff].join(',');
  try {
    return checked(
      given,
      [subcommand, ...fileArguments, ...(keys === '' ? [] : argumentsOf(UNSET_OPTION.flag, keys))],
      file,
      called,
    );
  } catch (error) {
    throw file ? inFile(error, given, file) : error;
  }
}

function checked(
  given: RawRunOptions,
  subcommand: readonly string[],
  file: ConfigFile | null,
  called: CalledGate,
): RunConfig {
  const raw = file ? withFile(given, file) : given;
  const options = checkedOptions(runSchema, raw, RUN_OPTIONS);
  const reports = reportTargets(options, raw);
  if (options.shard) refuseOfShard(raw);
  const {
    provider,
    precision,
    scoresPrecision = null,
    softmaxPrecision,
    flashBlock,
    maskFill,
    causalAlignment: alignment,
  } = options;
  const defaults = {
    provider,
    precision,
    scoresPrecision,
    softmaxPrecision,
    flashBlock,
    maskFill,
    alignment,
  };
  return {
    model: options.model,
    dtype: options.dtype,
    ...withReference(nameStreams(options.impl, defaults), options.reference, defaults),
    isImplGiven: raw.impl !== undefined,
    ...runInputs(options, raw),
    precision,
    activations: options.activations ?? null,
    heads: options.heads || reports.some(({ format }) => format === 'html'),
    headsTold: options.heads,
    timeout: options.timeout ?? null,
    saveRepro: options.saveRepro ?? null,
    gate: gateOptions(options, given, file, called),
    reports,
    ci: options.ci,
    ...baselineConfig(options, raw, reports),
    ...keepingOfRun(options, reports),
    command: commandOf(subcommand, given),
    configFile: file?.path ?? null,
    configuration: file && configurationOf({ given, raw, file, findings: called.findings }),
  };
}

/** A part of a run is held against no whole one, and none against it; what merge makes of all parts is. */
function refuseOfShard(raw: RawRunOptions): void {
  const key = (['baseline', 'saveBaseline'] as const).find((each) => raw[each] !== undefined);
  if (key)
    throw new AttnDiffError('bad-option', {
      option: RUN_OPTIONS[key].flag,
      value: raw[key] ?? null,
      problem: 'a shard has some of the numbers of a run only',
      remedy: 'it to attn-diff merge instead',
    });
}

/** The flags that are limits come last, so that they replace what the file says. */
function gateOptions(
  {
    maxAbs,
    minCosine,
    maxRatio,
    defaultBudgets,
    failOn,
    requireKernel,
  }: z.output<typeof runSchema>,
  given: RawRunOptions,
  file: ConfigFile | null,
  called: CalledGate,
): GateOptions {
  const limits = [
    ['max-abs', 'maxAbs', maxAbs],
    ['min-cosine', 'minCosine', minCosine],
    ['max-ratio', 'maxRatio', maxRatio],
  ] as const;
  const set = limits.flatMap(([metric, key, limit]): { isGiven: boolean; budget: Budget }[] => {
    if (limit === undefined) return [];
    const isGiven = given[key] !== undefined || file === null;
    const source: CheckSource = isGiven
      ? { kind: 'flag', flag: RUN_OPTIONS[key].flag }
      : { kind: 'config', path: file.path, key, line: file.lineOf([key]) };
    return [
      {
        isGiven,
        budget: {
          metric,
          limit,
          level: 'error',
          taps: null,
          scopes: null,
          layers: null,
          implementations: null,
          batches: null,
          kinds: ['valid'],
          source,
        },
      },
    ];
  });
  const budgets = (isGiven: boolean): Budget[] =>
    set.filter((each) => each.isGiven === isGiven).map(({ budget }) => budget);
  return {
    budgets: [...budgets(false), ...(file?.budgets ?? []), ...called.budgets, ...budgets(true)],
    defaults: defaultBudgets,
    findings: { ...file?.findings, ...called.findings },
    failOn,
    requireKernel,
  };
}

/** A shard is noted when all are joined. */
function keepingOfRun(
  options: z.output<typeof runSchema>,
  reports: readonly ReportTarget[],
): KeepingConfig {
  const { history, shard, saveBaseline = null } = options;
  if (history !== undefined && shard !== undefined)
    throw new AttnDiffError('bad-option', {
      option: '--history',
      value: history,
      problem: 'a shard is a part of a run',
      remedy: 'it to attn-diff merge',
    });
  return keepingConfig(options, reports, [saveBaseline]);
}

/** Options that say where and how a report is written, or which part of it, and nothing of what is in the whole. */
const WRITING: ReadonlySet<string> = new Set([
  'report',
  'format',
  'output',
  'ci',
  'shard',
  'resume',
  'saveRepro',
  'saveBaseline',
  'history',
  'label',
]);

/** The options that were given as arguments, in the order of {@link RUN_OPTIONS}. */
function commandOf(subcommand: readonly string[], raw: RawRunOptions): string[] {
  const given = (Object.keys(RUN_OPTIONS) as (keyof RawRunOptions)[]).filter(
    (key) =>
      raw[key] !== undefined && !WRITING.has(key) && !(subcommand[0] === 'demo' && key === 'model'),
  );
  return [
    ...subcommand,
    ...given.flatMap((key) =>
      [raw[key]].flat().flatMap((value) => argumentsOf(RUN_OPTIONS[key].flag, value)),
    ),
  ];
}

/** An option as arguments; none where it was not given. */
export function argumentsOf(flag: string, value: string | boolean | undefined): string[] {
  if (typeof value !== 'string') return value ? [flag] : [];
  return value.startsWith('-') ? [`${flag}=${value}`] : [flag, value];
}

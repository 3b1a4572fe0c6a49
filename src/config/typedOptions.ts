import type { BudgetOption, DiffOptions } from '../diffOptions.js';
import { AttnDiffError, type ErrorArgs } from '../errors.js';
import { budgetsOf } from './fileBudget.js';
import { fileSchema, type FileBudget } from './fileSchema.js';
import { parseRunOptions, type CalledGate, type ParseOptions, type RunConfig } from './run.js';
import { RUN_OPTIONS, type RawRunOptions } from './runOptions.js';
import { keyText, wrongIn } from './wrong.js';

/** What a value is in TypeScript; a list is written between commas on the command line, texts are an option each. */
type Kind = 'text' | 'number' | 'boolean' | 'list' | 'texts';

/** Options of the command line that a caller does without: they say where and how something is written. */
type CommandOnly =
  | 'report'
  | 'format'
  | 'output'
  | 'ci'
  | 'resume'
  | 'saveRepro'
  | 'saveBaseline'
  | 'history'
  | 'label';
type Option = Exclude<keyof RawRunOptions, CommandOnly>;
/** What a caller gives beside the options of the command line. */
type CallerOnly =
  'config' | 'budgets' | 'findings' | 'explain' | 'onProgress' | 'onNotice' | 'signal';

const KINDS = {
  model: 'text',
  dtype: 'text',
  impl: 'list',
  reference: 'text',
  provider: 'text',
  timeout: 'number',
  prompts: 'text',
  prompt: 'texts',
  chat: 'boolean',
  random: 'text',
  data: 'text',
  batchSize: 'number',
  seed: 'number',
  length: 'number',
  padding: 'list',
  pack: 'boolean',
  past: 'number',
  mask: 'text',
  shard: 'text',
  maskFill: 'text',
  precision: 'text',
  scoresPrecision: 'text',
  softmaxPrecision: 'text',
  flashBlock: 'number',
  activations: 'text',
  causalAlignment: 'text',
  heads: 'boolean',
  maxAbs: 'number',
  minCosine: 'number',
  maxRatio: 'number',
  failOn: 'text',
  requireKernel: 'boolean',
  defaultBudgets: 'text',
  baseline: 'text',
  maxRegression: 'number',
  allow: 'list',
} as const satisfies Record<Option, Kind> & Record<Exclude<keyof DiffOptions, CallerOnly>, Kind>;

const CALLER_ONLY: Readonly<Record<CallerOnly, true>> = {
  config: true,
  budgets: true,
  findings: true,
  explain: true,
  onProgress: true,
  onNotice: true,
  signal: true,
};

const TAKES: Readonly<Record<Kind, { accepts: string; takes: (value: unknown) => boolean }>> = {
  text: { accepts: 'a string', takes: isText },
  number: { accepts: 'a number', takes: (value) => typeof value === 'number' },
  boolean: { accepts: 'true or false', takes: (value) => typeof value === 'boolean' },
  list: { accepts: 'an array of strings', takes: isTexts },
  texts: { accepts: 'an array of strings', takes: isTexts },
};

/**
 * Checks options as a caller gives them, and fills in the defaults: what {@link parseRunOptions} makes of the same
 * options on the command line. Nothing is opened.
 *
 * @param fromFile the configuration file that sets what is not given, and what was said of it on the command line
 * @throws AttnDiffError bad-option, which names the option as the caller does; unknown-implementation; config-file-invalid
 */
export function parseTypedOptions(
  options: DiffOptions,
  fromFile: Omit<ParseOptions, 'subcommand'> = {},
): RunConfig {
  const raw: Record<string, string | boolean | string[]> = {};
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || Object.hasOwn(CALLER_ONLY, name)) continue;
    if (!Object.hasOwn(KINDS, name))
      throw bad(
        name,
        value,
        'there is no such option',
        `one of ${[...Object.keys(KINDS), ...Object.keys(CALLER_ONLY)].join(', ')}`,
      );
    const kind: Kind = KINDS[name as Option];
    const { accepts, takes } = TAKES[kind];
    if (!takes(value)) throw bad(name, value, `it is not ${accepts}`, accepts);
    if (name === 'prompt' && (value as readonly string[]).length === 0)
      throw bad(
        name,
        value,
        'it is empty',
        'at least one prompt, or leave it out for those that are built in',
      );
    raw[name] =
      kind === 'number'
        ? String(value)
        : kind === 'list'
          ? (value as readonly string[]).join(',')
          : (value as string | boolean | string[]);
  }
  try {
    return parseRunOptions(raw as RawRunOptions, {
      ...fromFile,
      called: calledGate(options),
      subcommand: options.explain ? 'explain' : 'run',
    });
  } catch (error) {
    throw asCalled(error);
  }
}

const gateSchema = fileSchema.pick({ budgets: true, findings: true });

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
type Writable<T> = T extends readonly (infer I)[] ? Writable<I>[] : T;
// Does not compile where what a caller may write parts from what a file may hold.
true satisfies Same<
  { [K in keyof BudgetOption]: Writable<BudgetOption[K]> },
  Partial<FileBudget> & Pick<FileBudget, 'metric'>
>;

/** @throws AttnDiffError bad-option, which names the key: `budgets[2].max` */
function calledGate({ budgets = [], findings = {} }: DiffOptions): CalledGate {
  const valueAt = (key: readonly PropertyKey[]): unknown =>
    key.reduce<unknown>(
      (value, part) => (value as Record<PropertyKey, unknown> | null | undefined)?.[part],
      { budgets, findings },
    );
  const refused = (key: readonly PropertyKey[], problem: string): AttnDiffError =>
    bad(
      keyText(key),
      valueAt(key),
      problem,
      'what the configuration file takes there (attn-diff schema config)',
    );
  const read = gateSchema.safeParse({ budgets, findings });
  if (!read.success) {
    const { key, problem } = wrongIn(read.error.issues[0]!);
    throw refused(key, problem);
  }
  return {
    budgets: budgetsOf(read.data.budgets ?? [], refused, (key) => ({
      kind: 'flag',
      flag: keyText(key),
    })),
    findings: read.data.findings ?? {},
  };
}

/** The error for an option of the command line as one for the option that the caller gave. */
function asCalled(error: unknown): unknown {
  if (!(error instanceof AttnDiffError)) return error;
  const args = error.args as ErrorArgs['bad-option'] & ErrorArgs['unknown-implementation'];
  const option = (Object.keys(RUN_OPTIONS) as (keyof typeof RUN_OPTIONS)[]).find(
    (key) => RUN_OPTIONS[key].flag === args.option,
  );
  if (option === undefined) return error;
  if (error.code === 'unknown-implementation')
    return new AttnDiffError('unknown-implementation', { ...args, option });
  return error.code === 'bad-option' ? new AttnDiffError('bad-option', { ...args, option }) : error;
}

function bad(option: string, value: unknown, problem: string, remedy: string): AttnDiffError {
  return new AttnDiffError('bad-option', {
    option,
    value:
      value === undefined
        ? null
        : typeof value === 'object' && value !== null && !Array.isArray(value)
          ? JSON.stringify(value)
          : String(value),
    problem,
    remedy,
  });
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(isText);
}

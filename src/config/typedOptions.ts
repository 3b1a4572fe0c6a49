import type { DiffOptions } from '../diffOptions.js';
import { AttnDiffError, type ErrorArgs } from '../errors.js';
import { parseRunOptions, type ParseOptions, type RunConfig } from './run.js';
import { RUN_OPTIONS, type RawRunOptions } from './runOptions.js';

/** What a value is in TypeScript; a list is written between commas on the command line, texts are an option each. */
type Kind = 'text' | 'number' | 'boolean' | 'list' | 'texts';

/** Options of the command line that a caller does without: they say where and how something is written. */
type CommandOnly = 'report' | 'format' | 'output' | 'ci' | 'resume' | 'saveRepro' | 'saveBaseline' | 'history' | 'label';
type Option = Exclude<keyof RawRunOptions, CommandOnly>;
/** What a caller gives beside the options of the command line. */
type CallerOnly = 'config' | 'explain' | 'onProgress' | 'onNotice' | 'signal';

const KINDS = {
  model: 'text', dtype: 'text', impl: 'list', reference: 'text', provider: 'text', timeout: 'number',
  prompts: 'text', prompt: 'texts', chat: 'boolean', random: 'text', data: 'text', batchSize: 'number', seed: 'number', length: 'number', padding: 'list', pack: 'boolean', past: 'number', mask: 'text', shard: 'text',
  maskFill: 'text', precision: 'text', scoresPrecision: 'text', softmaxPrecision: 'text', flashBlock: 'number', activations: 'text', causalAlignment: 'text', heads: 'boolean',
  maxAbs: 'number', minCosine: 'number', maxRatio: 'number', failOn: 'text', requireKernel: 'boolean', defaultBudgets: 'text', baseline: 'text', maxRegression: 'number', allow: 'list',
} as const satisfies Record<Option, Kind> & Record<Exclude<keyof DiffOptions, CallerOnly>, Kind>;

const CALLER_ONLY: Readonly<Record<CallerOnly, true>> = { config: true, explain: true, onProgress: true, onNotice: true, signal: true };

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
export function parseTypedOptions(options: DiffOptions, fromFile: Omit<ParseOptions, 'subcommand'> = {}): RunConfig {
  const raw: Record<string, string | boolean | string[]> = {};
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || Object.hasOwn(CALLER_ONLY, name)) continue;
    if (!Object.hasOwn(KINDS, name)) throw bad(name, value, 'there is no such option', `one of ${[...Object.keys(KINDS), ...Object.keys(CALLER_ONLY)].join(', ')}`);
    const kind: Kind = KINDS[name as Option];
    const { accepts, takes } = TAKES[kind];
    if (!takes(value)) throw bad(name, value, `it is not ${accepts}`, accepts);
    if (name === 'prompt' && (value as readonly string[]).length === 0) throw bad(name, value, 'it is empty', 'at least one prompt, or leave it out for those that are built in');
    raw[name] = kind === 'number' ? String(value) : kind === 'list' ? (value as readonly string[]).join(',') : (value as string | boolean | string[]);
  }
  try {
    return parseRunOptions(raw as RawRunOptions, { ...fromFile, subcommand: options.explain ? 'explain' : 'run' });
  } catch (error) {
    throw asCalled(error);
  }
}

/** The error for an option of the command line as one for the option that the caller gave. */
function asCalled(error: unknown): unknown {
  if (!(error instanceof AttnDiffError)) return error;
  const args = error.args as ErrorArgs['bad-option'] & ErrorArgs['unknown-implementation'];
  const option = (Object.keys(RUN_OPTIONS) as (keyof typeof RUN_OPTIONS)[]).find((key) => RUN_OPTIONS[key].flag === args.option);
  if (option === undefined) return error;
  if (error.code === 'unknown-implementation') return new AttnDiffError('unknown-implementation', { ...args, option });
  return error.code === 'bad-option' ? new AttnDiffError('bad-option', { ...args, option }) : error;
}

function bad(option: string, value: unknown, problem: string, remedy: string): AttnDiffError {
  return new AttnDiffError('bad-option', { option, value: String(value), problem, remedy });
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(isText);
}

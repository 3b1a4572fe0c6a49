import { AttnDiffError } from '../errors.js';
import type { Budget, Level, OutsidePath } from '../types.js';
import { budgetsOf } from './fileBudget.js';
import { fileSchema, type FileContent } from './fileSchema.js';
import { parseJson, parseYaml } from './parseText.js';
import { RUN_OPTIONS, type RawRunOptions } from './runOptions.js';
import { keyText, wrongIn } from './wrong.js';

/** A configuration file, checked but for the values that are options, which are checked with those. */
export interface ConfigFile {
  path: string;
  /** The options that it sets, as flags would. */
  raw: RawRunOptions;
  budgets: Budget[];
  findings: Record<string, Level>;
  /** Whether it was found rather than named: then its author need not be who runs this. */
  isFound: boolean;
  /** Paths of a found file that do not lie below its folder, or lie where tools keep what they run. */
  outside: readonly OutsideKey[];
  /** The line of a key, from 1; of one that is not there, that of what should hold it. */
  lineOf: (key: readonly PropertyKey[]) => number;
}

/** A path of a configuration file, by its key, such as `report.html`. */
export interface OutsideKey extends OutsidePath {
  isWritten: boolean;
  place: 'outside' | 'tools';
}

/** The key of package.json that holds a configuration. */
const PACKAGE_KEY = 'attn-diff';

/**
 * Reads a configuration file: JSON with comments, YAML where its name ends so, or a package.json with a key `attn-diff`.
 *
 * @param path for the format and for errors
 * @returns null for a package.json without that key
 * @throws AttnDiffError config-file-invalid, with the key and the line
 */
export function readConfigFile(text: string, path: string): ConfigFile | null {
  const isPackage = /(^|[/\\])package\.json$/.test(path);
  const { content: all, lineOf: lineIn } = /\.ya?ml$/i.test(path)
    ? parseYaml(text, path)
    : parseJson(text, path, isPackage ? [PACKAGE_KEY] : []);
  const content = isPackage ? (all as Record<string, unknown> | null)?.[PACKAGE_KEY] : all;
  if (isPackage && content === undefined) return null;
  const lineOf: ConfigFile['lineOf'] = (key) => lineIn(isPackage ? [PACKAGE_KEY, ...key] : key);
  const read = fileSchema.safeParse(content);
  const refused = (key: readonly PropertyKey[], problem: string): AttnDiffError =>
    new AttnDiffError('config-file-invalid', {
      path,
      line: lineOf(key),
      key: key.length === 0 ? null : keyText(key),
      problem,
    });
  if (!read.success) {
    const { key, problem } = wrongIn(read.error.issues[0]!);
    throw refused(key, problem);
  }
  const { $schema: _schema, budgets = [], findings = {}, report, ...options } = read.data;
  return {
    path,
    raw: {
      ...rawOptions(options),
      ...(report && {
        report: Object.entries(report).map(([format, file]) => `${format}=${file}`),
      }),
    },
    budgets: budgetsOf(budgets, refused, (key) => ({
      kind: 'config',
      path,
      key: keyText(key),
      line: lineOf(key),
    })),
    findings,
    isFound: false,
    outside: [],
    lineOf,
  };
}

type Options = Omit<FileContent, '$schema' | 'budgets' | 'findings' | 'report'>;

/** Values as flags would give them: numbers in digits, lists with commas. */
function rawOptions({ prompt, ...options }: Options): RawRunOptions {
  const raw = Object.entries(options).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, typeof value === 'boolean' ? value : String(value)]],
  );
  return {
    ...(Object.fromEntries(raw) as RawRunOptions),
    ...(prompt !== undefined && { prompt: [prompt].flat() as string[] }),
  };
}

/** Options of which one replaces the others, and what goes with them alone. */
const SOURCES = ['prompts', 'prompt', 'data', 'random'] as const;
const WITH_A_SOURCE = ['chat', 'batchSize'] as const;

/** The options of a run: those given, and of the file's those that they do not replace. */
export function withFile(given: RawRunOptions, { raw }: ConfigFile): RawRunOptions {
  const own = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as RawRunOptions;
  const base: RawRunOptions = { ...raw };
  if (SOURCES.some((key) => own[key] !== undefined))
    for (const key of [...SOURCES, ...WITH_A_SOURCE]) delete base[key];
  // commander says true where --no-ci is not given.
  const ci = own.ci === false ? false : (base.ci ?? own.ci);
  return { ...base, ...own, ...(ci !== undefined && { ci }) };
}

/** An error of an option that the file sets, as one of the file; any other as it is. */
export function inFile(
  error: unknown,
  given: RawRunOptions,
  { path, raw, lineOf }: ConfigFile,
): unknown {
  if (!(error instanceof AttnDiffError)) return error;
  const args = error.args as {
    option?: string;
    value?: string | null;
    problem?: string;
    remedy?: string;
  };
  const key = (Object.keys(RUN_OPTIONS) as (keyof typeof RUN_OPTIONS)[]).find(
    (candidate) => RUN_OPTIONS[candidate].flag === args.option,
  );
  if (key === undefined || given[key] !== undefined || raw[key] === undefined) return error;
  const problem =
    error.code === 'unknown-implementation'
      ? `${args.value}: there is no such implementation`
      : `${args.problem}: give ${args.remedy}${given.shard === undefined ? '' : `, and leave it out here with --unset ${key}`}`;
  return new AttnDiffError('config-file-invalid', { path, line: lineOf([key]), key, problem });
}

import { findNodeAtLocation, getNodePath, getNodeValue, parseTree, printParseErrorCode, type Node, type ParseError } from 'jsonc-parser';
import { isNode, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { AttnDiffError } from '../errors.js';
import type { Budget, Level } from '../types.js';
import { fileBudget } from './fileBudget.js';
import { fileSchema, keysAt, type FileContent } from './fileSchema.js';
import { RUN_OPTIONS, type RawRunOptions } from './runOptions.js';
import { suggestion } from './suggestion.js';

/** A configuration file, checked but for the values that are options, which are checked with those. */
export interface ConfigFile {
  path: string;
  /** The options that it sets, as flags would. */
  raw: RawRunOptions;
  budgets: Budget[];
  findings: Record<string, Level>;
  /** The line of a key, from 1; of one that is not there, that of what should hold it. */
  lineOf: (key: readonly PropertyKey[]) => number;
}

/** A file's content, and where in it each key is. */
interface Parsed {
  content: unknown;
  lineOf: ConfigFile['lineOf'];
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
  const { content: all, lineOf: lineIn } = /\.ya?ml$/i.test(path) ? parseYaml(text, path) : parseJson(text, path, isPackage ? [PACKAGE_KEY] : []);
  const content = isPackage ? (all as Record<string, unknown> | null)?.[PACKAGE_KEY] : all;
  if (isPackage && content === undefined) return null;
  const lineOf: ConfigFile['lineOf'] = (key) => lineIn(isPackage ? [PACKAGE_KEY, ...key] : key);
  const read = fileSchema.safeParse(content);
  if (!read.success) throw invalid(read.error.issues[0]!, content, path, lineOf);
  const { $schema: _schema, budgets = [], findings = {}, report, ...options } = read.data;
  return {
    path,
    raw: { ...rawOptions(options), ...(report && { report: Object.entries(report).map(([format, file]) => `${format}=${file}`) }) },
    budgets: budgets.map((budget, i) => fileBudget(budget, (key, problem) => new AttnDiffError('config-file-invalid', { path, line: lineOf(['budgets', i, key]), key: `budgets[${i}].${key}`, problem }), { path, lineOf: (key) => lineOf(['budgets', i, key]), index: i })),
    findings,
    lineOf,
  };
}

/** @param own where in it what is read lies: the rest of a package.json is not looked at */
function parseJson(text: string, path: string, own: readonly string[]): Parsed {
  const errors: ParseError[] = [];
  const clean = text.replace(/^\uFEFF/, '');
  const tree = parseTree(clean, errors, { allowTrailingComma: true });
  const lineAt = (offset: number): number => clean.slice(0, offset).split('\n').length;
  const [error] = errors;
  if (error || !tree) throw new AttnDiffError('config-file-invalid', { path, line: error ? lineAt(error.offset) : 1, key: null, problem: error ? `it is not JSON (${printParseErrorCode(error.error)})` : 'it is empty' });
  const find = (key: readonly PropertyKey[]): Node | undefined => findNodeAtLocation(tree, key as (string | number)[]);
  const content = find(own);
  const again = content && secondOfTwo(content);
  if (again) throw new AttnDiffError('config-file-invalid', { path, line: lineAt(again.offset), key: keyText(getNodePath(again.children![1]!).slice(own.length)), problem: 'it is there twice, and the first would be lost' });
  return { content: getNodeValue(tree), lineOf: nearest((key) => find(key), (node) => lineAt((node.parent?.type === 'property' ? node.parent : node).offset)) };
}

/** The first property whose key its object has already. */
function secondOfTwo(node: Node): Node | null {
  const keys = new Set<unknown>();
  for (const child of node.children ?? []) {
    const key: unknown = node.type === 'object' ? child.children?.[0]?.value : child;
    if (keys.has(key)) return child;
    keys.add(key);
    const inside = secondOfTwo(child);
    if (inside) return inside;
  }
  return null;
}

function parseYaml(text: string, path: string): Parsed {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error) throw new AttnDiffError('config-file-invalid', { path, line: lines.linePos(error.pos[0]).line, key: null, problem: `it is not YAML (${error.message})` });
  const find = (key: readonly PropertyKey[]): number | undefined => {
    const node = key.length === 0 ? document.contents : document.getIn(key, true);
    return isNode(node) ? node.range?.[0] : undefined;
  };
  try {
    return { content: document.toJS() as unknown, lineOf: nearest(find, (offset) => lines.linePos(offset).line) };
  } catch (caught) {
    // An alias without its anchor, or too many of them, is seen only here.
    throw new AttnDiffError('config-file-invalid', { path, line: 1, key: null, problem: `it is not YAML (${(caught as Error).message})` });
  }
}

/** The line of a key, or of the nearest that holds it. */
function nearest<T>(find: (key: readonly PropertyKey[]) => T | undefined, line: (found: T) => number): Parsed['lineOf'] {
  return (key) => {
    for (let length = key.length; length >= 0; length--) {
      const found = find(key.slice(0, length));
      if (found !== undefined) return line(found);
    }
    return 1;
  };
}

/** `budgets[2].layers` */
function keyText(key: readonly PropertyKey[]): string {
  return key.reduce<string>((text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`), '');
}

/** The error for what the schema found wrong: of a value that may be of several kinds, what is wrong with the kind that it is. */
function invalid(issue: z.core.$ZodIssue, content: unknown, path: string, lineOf: ConfigFile['lineOf']): AttnDiffError {
  if (issue.code === 'invalid_union') {
    const inner = issue.errors.map((issues) => issues[0]!).toSorted((a, b) => b.path.length - a.path.length)[0];
    if (inner && inner.path.length > 0) return invalid({ ...inner, path: [...issue.path, ...inner.path] }, content, path, lineOf);
    const kinds = issue.errors.flatMap(([first]) => (first?.code === 'invalid_type' ? [first.expected] : []));
    const value = issue.errors.flatMap(([first]) => (first && first.code !== 'invalid_type' ? [first.message] : []));
    return new AttnDiffError('config-file-invalid', { path, line: lineOf(issue.path), key: keyText(issue.path), problem: value[0] ?? `it is neither ${kinds.join(' nor ')}` });
  }
  if (issue.code === 'unrecognized_keys') {
    const key = [...issue.path, issue.keys[0]!];
    return new AttnDiffError('config-file-invalid', { path, line: lineOf(key), key: keyText(key), problem: noSuchKey(issue.keys[0]!, issue.path) });
  }
  const key = issue.code === 'invalid_key' ? [...issue.path] : issue.path;
  return new AttnDiffError('config-file-invalid', { path, line: lineOf(key), key: key.length === 0 ? null : keyText(key), problem: issue.message });
}

function noSuchKey(key: string, place: readonly PropertyKey[]): string {
  if (place.length === 0 && Object.hasOwn(RUN_OPTIONS, key)) return `it is about one run alone: give ${RUN_OPTIONS[key as keyof typeof RUN_OPTIONS].flag}`;
  const meant = suggestion(key, keysAt(place));
  return `there is no such key${meant === null ? '' : ` (did you mean ${meant}?)`}`;
}

type Options = Omit<FileContent, '$schema' | 'budgets' | 'findings' | 'report'>;

/** Values as flags would give them: numbers in digits, lists with commas. */
function rawOptions({ prompt, ...options }: Options): RawRunOptions {
  const raw = Object.entries(options).flatMap(([key, value]) => (value === undefined ? [] : [[key, typeof value === 'boolean' ? value : String(value)]]));
  return { ...(Object.fromEntries(raw) as RawRunOptions), ...(prompt !== undefined && { prompt: [prompt].flat() as string[] }) };
}

/** Options of which one replaces the others, and what goes with them alone. */
const SOURCES = ['prompts', 'prompt', 'data', 'random'] as const;
const WITH_A_SOURCE = ['chat', 'batchSize'] as const;

/** The options of a run: those given, and of the file's those that they do not replace. */
export function withFile(given: RawRunOptions, { raw }: ConfigFile): RawRunOptions {
  const own = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as RawRunOptions;
  const base: RawRunOptions = { ...raw };
  if (SOURCES.some((key) => own[key] !== undefined)) for (const key of [...SOURCES, ...WITH_A_SOURCE]) delete base[key];
  // commander says true where --no-ci is not given.
  const ci = own.ci === false ? false : (base.ci ?? own.ci);
  return { ...base, ...own, ...(ci !== undefined && { ci }) };
}

/** An error of an option that the file sets, as one of the file; any other as it is. */
export function inFile(error: unknown, given: RawRunOptions, { path, raw, lineOf }: ConfigFile): unknown {
  if (!(error instanceof AttnDiffError)) return error;
  const args = error.args as { option?: string; value?: string | null; problem?: string; remedy?: string };
  const key = (Object.keys(RUN_OPTIONS) as (keyof typeof RUN_OPTIONS)[]).find((candidate) => RUN_OPTIONS[candidate].flag === args.option);
  if (key === undefined || given[key] !== undefined || raw[key] === undefined) return error;
  const problem = error.code === 'unknown-implementation' ? `${args.value}: there is no such implementation` : `${args.problem}: give ${args.remedy}${given.shard === undefined ? '' : `, and leave it out here with --unset ${key}`}`;
  return new AttnDiffError('config-file-invalid', { path, line: lineOf([key]), key, problem });
}

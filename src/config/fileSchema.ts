import { z } from 'zod';
import { FINDING_CODES } from '../findingCodes.js';
import {
  BUDGET_NAMES,
  EFFECT_BUDGET_NAMES,
  LEVELS,
  REPORT_FORMATS,
  TOKEN_KINDS,
} from '../types.js';
import { rangeOf, valueHint } from './hints.js';
import { RUN_OPTIONS, runSchema } from './runOptions.js';

/** Options that a file does not set: they are about one run alone. */
type OneRun = 'shard' | 'resume' | 'saveRepro' | 'saveBaseline' | 'report';

/** What an option is written as in a file: `word` is one of a few, `words` a list of such. */
type Kind = 'text' | 'word' | 'number' | 'boolean' | 'list' | 'words' | 'texts' | 'size' | 'factor';
type Option = Exclude<keyof typeof runSchema.shape, OneRun>;

const KINDS: Readonly<Record<Option, Kind>> = {
  model: 'text',
  dtype: 'word',
  impl: 'list',
  reference: 'text',
  provider: 'word',
  timeout: 'number',
  prompts: 'text',
  prompt: 'texts',
  data: 'text',
  batchSize: 'number',
  random: 'size',
  seed: 'number',
  chat: 'boolean',
  length: 'number',
  padding: 'words',
  pack: 'boolean',
  past: 'number',
  mask: 'text',
  maskFill: 'word',
  precision: 'word',
  scoresPrecision: 'word',
  softmaxPrecision: 'word',
  activations: 'word',
  flashBlock: 'number',
  causalAlignment: 'word',
  heads: 'boolean',
  maxAbs: 'number',
  minCosine: 'number',
  maxRatio: 'number',
  defaultBudgets: 'word',
  failOn: 'word',
  requireKernel: 'boolean',
  baseline: 'text',
  maxRegression: 'factor',
  allow: 'words',
  history: 'text',
  label: 'text',
  format: 'word',
  output: 'text',
  ci: 'boolean',
};

const text = z.string().min(1, 'it is empty');
const oneOrMore = <T extends z.ZodType>(item: T): z.ZodUnion<[T, z.ZodArray<T>]> =>
  z.union([item, z.array(item).min(1, 'it is empty')]);

type Value = string | number | boolean | string[];

/** What a file takes for an option: as far as it can be said, what the option takes on the command line. */
const OF_KIND: Readonly<Record<Kind, (key: Option) => z.ZodType<Value>>> = {
  text: () => text,
  word: (key) => z.enum(wordsOf(key)),
  number: numberOf,
  boolean: () => z.boolean(),
  list: () => oneOrMore(text),
  words: (key) =>
    z.union([betweenCommas(wordsOf(key)), z.array(z.enum(wordsOf(key))).min(1, 'it is empty')]),
  texts: () => oneOrMore(text),
  size: () => z.string().regex(/^\d+[xX]\d+$/, 'it is not of the form BxT'),
  factor: () =>
    z.union([
      z.number().positive('it is not above 0'),
      z.string().regex(/^[\d.e+-]+[xX]?$/, 'it is no factor such as 1.5x'),
    ]),
};

function wordsOf(key: Option): string[] {
  return [...(valueHint(runSchema.shape[key])?.words ?? [])];
}

function betweenCommas(words: readonly string[]): z.ZodString {
  const word = `\\s*(?:${words.join('|')})\\s*`;
  return z
    .string()
    .regex(new RegExp(`^${word}(?:,${word})*$`), `it is no list of ${words.join(', ')}`);
}

function numberOf(key: Option): z.ZodNumber {
  const { minimum, maximum, isWhole, problem } = rangeOf(runSchema.shape[key])!;
  const above = (isWhole ? z.number().int('it is not a whole number') : z.number()).min(
    minimum,
    problem,
  );
  return maximum === Number.MAX_VALUE ? above : above.max(maximum, problem);
}

const level = z
  .enum(LEVELS)
  .describe('error: missing it fails the run; warn: it is only told; off: nothing.');
const OF_COSINE = 'it is not between -1 and 1';
const range = z.union([
  z.int().nonnegative(),
  z.string().regex(/^\d+(?:-\d+)?$/, 'it is neither a layer nor a range such as 0-3'),
]);

export const budgetSchema = z
  .strictObject({
    metric: z
      .enum([...BUDGET_NAMES, ...EFFECT_BUDGET_NAMES])
      .describe('The number that is limited: see docs/gate.md.'),
    max: z
      .number()
      .nonnegative('it is negative')
      .optional()
      .describe('The largest value that passes.'),
    min: z
      .number()
      .min(-1, OF_COSINE)
      .max(1, OF_COSINE)
      .optional()
      .describe('Of min-cosine and mean-cosine: the smallest value that passes.'),
    level: level.optional(),
    tap: oneOrMore(z.enum(['attention', 'hidden', 'logits']))
      .optional()
      .describe('What is measured; all without.'),
    scope: oneOrMore(z.enum(['local', 'accumulated']))
      .optional()
      .describe("local: on the reference's Q, K, V; accumulated: in the own stream. Both without."),
    layers: oneOrMore(range)
      .optional()
      .describe(
        'Layers, counted from 0, and ranges of them such as "20-27"; all without, and the logits then too.',
      ),
    implementation: oneOrMore(text).optional().describe('Labels as in impl; all without.'),
    batch: oneOrMore(z.union([text, z.int()]))
      .optional()
      .describe('Names of batches, such as left, or their numbers with data; all without.'),
    kind: oneOrMore(z.enum(TOKEN_KINDS)).optional().describe('Kinds of tokens; valid without.'),
  })
  .describe('A limit on one number. Of several that match a number, the last counts.');

export type FileBudget = z.output<typeof budgetSchema>;

const options = Object.fromEntries(
  Object.entries(KINDS).map(([key, kind]) => {
    const { flag, accepts } = RUN_OPTIONS[key as Option];
    return [
      key,
      OF_KIND[kind](key as Option)
        .optional()
        .describe(`As ${flag}: ${accepts}.`),
    ];
  }),
) as Record<Option, z.ZodOptional<z.ZodType<Value>>>;

/** A configuration file: the options of `run` by the names of their flags, and what flags cannot say. */
export const fileSchema = z
  .strictObject({
    $schema: text.optional().describe('Where editors find this schema.'),
    ...options,
    report: z
      .partialRecord(z.enum(REPORT_FORMATS), text)
      .optional()
      .describe('Reports to write: a file for each format.'),
    budgets: z
      .array(budgetSchema)
      .optional()
      .describe('Limits, the later replacing the earlier where both match.'),
    findings: z
      .partialRecord(z.enum(FINDING_CODES), level)
      .optional()
      .describe('How much a finding counts, by its code.'),
  })
  .meta({
    title: 'attn-diff configuration',
    description:
      'attn-diff.config.json, .jsonc, .yaml or .yml, or the key attn-diff of package.json.',
  });

export type FileContent = z.output<typeof fileSchema>;

/** The keys that there are in a place of a configuration file where there are only some. */
export function keysAt([first, index]: readonly PropertyKey[]): readonly string[] {
  if (first === undefined) return Object.keys(fileSchema.shape);
  if (first === 'budgets' && index !== undefined) return Object.keys(budgetSchema.shape);
  return first === 'report' ? REPORT_FORMATS : first === 'findings' ? FINDING_CODES : [];
}

/** What a budget may not do without, or with, by what it limits: what fileBudget.ts says of it. */
const BUDGET_RULES = [
  {
    anyOf: [
      { properties: { metric: { pattern: 'cosine$' }, max: false } },
      { properties: { metric: { not: { pattern: 'cosine$' } }, min: false } },
    ],
  },
  {
    anyOf: [
      { properties: { level: { const: 'off' } }, required: ['level'] },
      { required: ['max'] },
      { required: ['min'] },
    ],
  },
  {
    anyOf: [
      { properties: { metric: { not: { enum: EFFECT_BUDGET_NAMES } } } },
      { properties: { tap: false, scope: false, layers: false, kind: false } },
    ],
  },
];

/** The schema of a configuration file as JSON Schema (draft 2020-12), for editors. */
export function configJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(fileSchema, {
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => {
      if ((zodSchema as z.core.$ZodType) === budgetSchema)
        Object.assign(jsonSchema, { allOf: BUDGET_RULES });
    },
  }) as Record<string, unknown>;
}

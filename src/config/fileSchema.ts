import { z } from 'zod';
import { FINDING_CODES } from '../findingCodes.js';
import { BUDGET_NAMES, EFFECT_BUDGET_NAMES, LEVELS, REPORT_FORMATS, TOKEN_KINDS } from '../types.js';
import { RUN_OPTIONS, type runSchema } from './runOptions.js';

/** Options that a file does not set: they are about one run alone. */
type OneRun = 'shard' | 'resume' | 'saveRepro' | 'saveBaseline' | 'report';

/** What an option is written as in a file. */
type Kind = 'text' | 'number' | 'boolean' | 'list' | 'texts';

const KINDS: Readonly<Record<Exclude<keyof typeof runSchema.shape, OneRun>, Kind>> = {
  model: 'text', dtype: 'text', impl: 'list', reference: 'text', provider: 'text', timeout: 'number',
  prompts: 'text', prompt: 'texts', data: 'text', batchSize: 'number', random: 'text', seed: 'number', chat: 'boolean', length: 'number', padding: 'list', pack: 'boolean', past: 'number', mask: 'text',
  maskFill: 'text', precision: 'text', scoresPrecision: 'text', softmaxPrecision: 'text', activations: 'text', flashBlock: 'number', causalAlignment: 'text', heads: 'boolean',
  maxAbs: 'number', minCosine: 'number', maxRatio: 'number', defaultBudgets: 'text', failOn: 'text', requireKernel: 'boolean',
  baseline: 'text', maxRegression: 'text', allow: 'list',
  history: 'text', label: 'text',
  format: 'text', output: 'text', ci: 'boolean',
};

const text = z.string();
const oneOrMore = <T extends z.ZodType>(item: T): z.ZodUnion<[T, z.ZodArray<T>]> => z.union([item, z.array(item).min(1, 'it is empty')]);
const OF_KIND = { text, number: z.number(), boolean: z.boolean(), list: oneOrMore(text), texts: oneOrMore(text) } as const satisfies Record<Kind, z.ZodType>;

const level = z.enum(LEVELS).describe('error: missing it fails the run; warn: it is only told; off: nothing.');
const range = z.union([z.int().nonnegative(), z.string().regex(/^\d+(?:-\d+)?$/, 'it is neither a layer nor a range such as 0-3')]);

export const budgetSchema = z
  .strictObject({
    metric: z.enum([...BUDGET_NAMES, ...EFFECT_BUDGET_NAMES]).describe('The number that is limited: see docs/gate.md.'),
    max: z.number().optional().describe('The largest value that passes.'),
    min: z.number().optional().describe('Of min-cosine and mean-cosine: the smallest value that passes.'),
    level: level.optional(),
    tap: oneOrMore(z.enum(['attention', 'hidden', 'logits'])).optional().describe('What is measured; all without.'),
    scope: oneOrMore(z.enum(['local', 'accumulated'])).optional().describe('local: on the reference\'s Q, K, V; accumulated: in the own stream. Both without.'),
    layers: oneOrMore(range).optional().describe('Layers, counted from 0, and ranges of them such as "20-27"; all without, and the logits then too.'),
    implementation: oneOrMore(text.min(1, 'it is empty')).optional().describe('Labels as in impl; all without.'),
    batch: oneOrMore(text.min(1, 'it is empty')).optional().describe('Names of batches, such as left; all without.'),
    kind: oneOrMore(z.enum(TOKEN_KINDS)).optional().describe('Kinds of tokens; valid without.'),
  })
  .describe('A limit on one number. Of several that match a number, the last counts.');

export type FileBudget = z.output<typeof budgetSchema>;

const options = Object.fromEntries(
  Object.entries(KINDS).map(([key, kind]) => {
    const { flag, accepts } = RUN_OPTIONS[key as keyof typeof KINDS];
    return [key, OF_KIND[kind].optional().describe(`As ${flag}: ${accepts}.`)];
  }),
) as { [K in keyof typeof KINDS]: z.ZodOptional<(typeof OF_KIND)[(typeof KINDS)[K] & Kind]> };

/** A configuration file: the options of `run` by the names of their flags, and what flags cannot say. */
export const fileSchema = z
  .strictObject({
    $schema: text.optional().describe('Where editors find this schema.'),
    ...options,
    report: z.partialRecord(z.enum(REPORT_FORMATS), text.min(1, 'it is empty')).optional().describe('Reports to write: a file for each format.'),
    budgets: z.array(budgetSchema).optional().describe('Limits, the later replacing the earlier where both match.'),
    findings: z.partialRecord(z.enum(FINDING_CODES), level).optional().describe('How much a finding counts, by its code.'),
  })
  .meta({ title: 'attn-diff configuration', description: 'attn-diff.config.json, .jsonc, .yaml or .yml, or the key attn-diff of package.json.' });

export type FileContent = z.output<typeof fileSchema>;

/** The schema of a configuration file as JSON Schema (draft 2020-12), for editors. */
export function configJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(fileSchema, { io: 'input' }) as Record<string, unknown>;
}

import { z } from 'zod';
import { BUDGET_NAMES, EFFECT_BUDGET_NAMES, LEVELS, type ConfigurationInfo } from '../types.js';
import { metric, text, type Same } from './schemaParts.js';

const weakening = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('option'),
    key: text('The key, such as failOn or findings.kernel-fallback.'),
    value: text('What the file sets.'),
    usual: text('What it is without the file.'),
  }),
  z.strictObject({
    kind: z.literal('budget'),
    key: text('The key of its limit, such as budgets[2].max.'),
    metric: z.enum([...BUDGET_NAMES, ...EFFECT_BUDGET_NAMES]).describe('What is limited.'),
    limit: metric('The limit.').nullable().describe('The limit; null where its level is off.'),
    level: z.enum(LEVELS).describe('How much missing it counts.'),
    usualLimit: metric('The limit that attn-diff brings, and this one replaces.'),
    usualLevel: z.enum(LEVELS).describe('How much missing that counts.'),
  }),
]);

/** What a configuration file does to a run. */
export const configuration = z.strictObject({
  isFound: z
    .boolean()
    .describe('Whether it was found in the current folder; false where it was named.'),
  weakens: z.array(weakening).describe('What it makes weaker than it is without a file.'),
  outside: z
    .array(z.strictObject({ key: text('The key.'), path: text('What it names.') }))
    .describe('Paths that a found one reads and that are not below its folder.'),
});

// Does not compile where the schema and types.ts part.
true satisfies Same<z.infer<typeof configuration>, ConfigurationInfo>;

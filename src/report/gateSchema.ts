import { z } from 'zod';
import {
  BUDGET_NAMES,
  CHECK_NAMES,
  EFFECT_BUDGET_NAMES,
  KEY_FIELDS,
  LEVELS,
  type BaselineComparison,
} from '../types.js';
import {
  batchName,
  count,
  finite,
  kind,
  label,
  layer,
  metric,
  scope,
  tap,
  text,
  type Same,
} from './schemaParts.js';

const source = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('always') }),
    z.strictObject({ kind: z.literal('flag'), flag: text('The option.') }),
    z.strictObject({
      kind: z.literal('config'),
      path: text('The configuration file.'),
      key: text('The key in it, such as budgets[2].limit.'),
      line: count('Its line, from 1.'),
    }),
    z.strictObject({
      kind: z.literal('default'),
      precision: text(
        'The precision whose limit this is; same: of two streams of one computation.',
      ),
    }),
    z.strictObject({
      kind: z.literal('baseline'),
      path: text('The file of the earlier run.'),
      was: metric('What it measured there; NaN where nothing could be compared.'),
      factor: finite('How many times that is allowed.'),
    }),
  ])
  .describe('Where the limit was set.');

const level = z.enum(LEVELS);

const check = z.strictObject({
  name: z
    .enum(CHECK_NAMES)
    .describe(
      'What was checked; completed and kernel: 1 where an implementation ran to its end, and where its kernel is confirmed.',
    ),
  level: level.exclude(['off']).describe('error: missing it fails the run; warn: it is only told.'),
  operator: z.enum(['<=', '>=', '==', '>']).describe('How actual must stand to expected.'),
  expected: metric('The limit.'),
  actual: metric(
    'The worst value that was seen; NaN too where there was nothing to measure, and then there is no place.',
  ),
  layer,
  implementation: label,
  tap: tap.nullable(),
  scope: scope.nullable(),
  batch: batchName.nullable(),
  kind: kind.nullable(),
  subject: z
    .string()
    .nullable()
    .describe(
      'The code of the finding, for finding; the metric, for regression; of a budget an entry of its lists that matches nothing, such as `batch rigth`; else null.',
    ),
  source,
  passed: z.boolean().describe('Whether actual stands to expected as it must.'),
});

export const verdict = z.strictObject({
  passed: z.boolean().describe('Whether no check of level error was missed.'),
  checks: z.array(check).describe('Everything that was checked, passed or not.'),
});

const tally = (what: string) =>
  // oxlint-disable-line typescript/explicit-function-return-type -- zod's types are what it infers
  z
    .strictObject({
      count: count('How many.'),
      first: z
        .strictObject({
          metric: text('Name of the budget on the same number.'),
          layer,
          implementation: label,
          tap: tap.nullable(),
          scope: scope.nullable(),
          batch: batchName.nullable(),
        })
        .nullable()
        .describe('Where the first is.'),
    })
    .describe(what);

/** What came of holding a run against a baseline. */
export const baselineComparison = z.strictObject({
  path: text('The file of the earlier run.'),
  factor: finite('How many times what it was a number may be.'),
  allowed: z
    .array(
      z.strictObject({
        field: z.enum(KEY_FIELDS).describe('What differs.'),
        of: z
          .string()
          .nullable()
          .describe('Implementation or batch; null where it is the whole run.'),
        was: text('In the baseline.'),
        is: text('In this run.'),
      }),
    )
    .describe('In what the two differ that was let pass by name.'),
  compared: count('Numbers held against those of the baseline.'),
  explained: tally('Of them, those that grew by more than the factor where rounding explains it.'),
  stillNonFinite: tally('Numbers that are NaN or infinite, and were.'),
  nowFinite: tally('Numbers that are finite, and were not.'),
  missing: tally('Numbers that only the baseline has.'),
  added: tally('Numbers that only this run has.'),
});

// Does not compile where the schema and baselineTypes.ts part.
true satisfies Same<z.infer<typeof baselineComparison>, BaselineComparison>;
const budget = z.strictObject({
  metric: z.enum([...BUDGET_NAMES, ...EFFECT_BUDGET_NAMES]).describe('Name of the budget.'),
  limit: metric('The largest value that passes; of a cosine the smallest.'),
  level: level.describe('What missing it is: nothing, a warning, or a failed run.'),
  taps: z.array(tap).readonly().nullable(),
  scopes: z.array(scope).readonly().nullable(),
  layers: z
    .array(z.tuple([z.int().nonnegative(), z.int().nonnegative()]).readonly())
    .readonly()
    .nullable()
    .describe('First and last, both included.'),
  implementations: z.array(label).readonly().nullable(),
  batches: z.array(batchName).readonly().nullable(),
  kinds: z.array(kind).readonly(),
  source,
});

export const gateOptions = z
  .strictObject({
    budgets: z.array(budget).readonly().describe('Null stands for all, in each of them.'),
    defaults: level.describe('Level of the limits that attn-diff brings for each precision.'),
    findings: z
      .record(z.string(), level)
      .readonly()
      .describe('Level of what findings say, by code.'),
    failOn: z
      .enum(['nan', 'none'])
      .describe('nan: NaN and Inf on valid tokens fail the run; none: they do not.'),
    requireKernel: z
      .boolean()
      .describe(
        'Whether every implementation must be shown to have run the kernel that it asks for.',
      ),
  })
  .describe('What the whole run is held against.');

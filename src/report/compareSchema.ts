import { z } from 'zod';
import { baselineSchema } from './baselineSchema.js';
import { baselineComparison, verdict } from './gateSchema.js';
import { reportSchema } from './schema.js';
import { batchName, finite, label, magnitude, metric, text, type Same } from './schemaParts.js';
import { COMPARE_SCHEMA, type Comparison } from '../types.js';

const run = z.strictObject({
  path: text('The file.'),
  kind: z
    .enum(['report', 'baseline'])
    .describe('Whether it is a whole report, or the numbers of one.'),
  reference: label,
  passed: z.boolean().nullable().describe('Its verdict; null where it is not told.'),
});

const difference = z.strictObject({
  part: z
    .enum(['run', 'model', 'environment', 'batch', 'implementation'])
    .describe('What it is about.'),
  of: z.string().nullable().describe('The batch or implementation.'),
  field: text('Name of the field; name where only one of the two has the batch or implementation.'),
  a: z.string().nullable().describe('Null where there is none.'),
  b: z.string().nullable().describe('Null where there is none.'),
});

const { rows, effects } = baselineSchema.shape;
const { batch, layer, tap, scope, implementation } = rows.element.shape;
const rowNumbers = rows.element
  .pick({ maxAbs: true, relL2: true, exactRelL2: true, nan: true, inf: true })
  .nullable()
  .describe('Null where only the other has it.');
const effectNumbers = effects.element
  .omit({ batch: true, implementation: true })
  .extend({ lossDelta: metric('The loss less that of the reference, nats.') })
  .nullable()
  .describe('Null where only the other has it.');
const findings = reportSchema.shape.findings;

/** What `attn-diff compare` writes: schema `attn-diff/compare/v1`. */
export const compareSchema = z
  .strictObject({
    schema: z.literal(COMPARE_SCHEMA),
    a: run,
    b: run,
    identical: z
      .boolean()
      .describe('Whether every number of one is in the other, and the same bit for bit.'),
    differences: z.array(difference).describe('What was run otherwise.'),
    rows: z
      .array(
        z.strictObject({
          batch,
          layer,
          tap,
          scope,
          implementation,
          a: rowNumbers,
          b: rowNumbers,
          ratio: magnitude('relL2 of b over that of a; 0/0 is 1, x/0 is Infinity.').nullable(),
          rounding: finite('Relative L2 that rounding explains, the less of the two.'),
        }),
      )
      .describe('On valid tokens.'),
    effects: z.array(
      z.strictObject({
        batch: batchName,
        implementation: label,
        a: effectNumbers,
        b: effectNumbers,
      }),
    ),
    findings: z
      .strictObject({ came: findings, went: findings, stayed: findings })
      .nullable()
      .describe('Null where one of the two does not tell them.'),
    regression: z
      .strictObject({
        passed: z.boolean(),
        checks: verdict.shape.checks,
        told: baselineComparison.omit({ allowed: true }),
      })
      .nullable()
      .describe('What came of holding b against a; null where that was not asked for.'),
  })
  .meta({ title: 'attn-diff compare', description: 'Two saved runs side by side.' });

// Does not compile where the schema and compareTypes.ts part.
true satisfies Same<z.infer<typeof compareSchema>, Comparison>;

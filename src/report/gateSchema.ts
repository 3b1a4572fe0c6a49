import { z } from 'zod';
import { CHECK_NAMES, LEVELS } from '../types.js';
import { batchName, count, kind, label, layer, metric, scope, tap, text } from './schemaParts.js';

const source = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('always') }),
    z.strictObject({ kind: z.literal('flag'), flag: text('The option.') }),
    z.strictObject({ kind: z.literal('config'), path: text('The configuration file.'), key: text('The key in it, such as budgets[2].limit.'), line: count('Its line, from 1.') }),
    z.strictObject({ kind: z.literal('default'), precision: text('The precision whose limit this is; same: of two streams of one computation.') }),
    z.strictObject({ kind: z.literal('baseline'), path: text('The file of the earlier run.') }),
  ])
  .describe('Where the limit was set.');

const check = z.strictObject({
  name: z.enum(CHECK_NAMES).describe('What was checked; completed and kernel: 1 where an implementation ran to its end, and where its kernel is confirmed.'),
  level: z.enum(LEVELS).exclude(['off']).describe('error: missing it fails the run; warn: it is only told.'),
  operator: z.enum(['<=', '>=', '==', '>']).describe('How actual must stand to expected.'),
  expected: metric('The limit.'),
  actual: metric('The worst value that was seen; NaN too where there was nothing to measure, and then there is no place.'),
  layer,
  implementation: label,
  tap: tap.nullable(),
  scope: scope.nullable(),
  batch: batchName.nullable(),
  kind: kind.nullable(),
  subject: z.string().nullable().describe('The code of the finding, for finding; the metric, for regression; else null.'),
  source,
  passed: z.boolean(),
});

export const verdict = z.strictObject({ passed: z.boolean().describe('Whether no check of level error was missed.'), checks: z.array(check) });

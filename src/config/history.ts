import { z } from 'zod';
import { HISTORY_FORMAT_NAMES, HISTORY_METRICS } from '../types.js';
import { checkedOptions, type OptionHelp } from './runOptions.js';
import { filePath, integer, list, word } from './values.js';

const DEFAULT_METRICS = 'local,delta-loss';

export const historySchema = z.object({
  format: z.string().default('text').pipe(word(HISTORY_FORMAT_NAMES)),
  metric: z
    .string()
    .default(DEFAULT_METRICS)
    .pipe(list(word(HISTORY_METRICS)))
    .refine((metrics) => new Set(metrics).size === metrics.length, 'it names a metric twice'),
  last: integer(1, Number.MAX_SAFE_INTEGER).nullable().default(null),
  output: filePath.nullable().default(null),
});

const OPTIONS: Record<keyof typeof historySchema.shape, OptionHelp> = {
  format: { flag: '--format', accepts: `one of ${HISTORY_FORMAT_NAMES.join(', ')}` },
  metric: { flag: '--metric', accepts: `a list of ${HISTORY_METRICS.join(', ')}` },
  last: { flag: '--last', accepts: 'a whole number of runs, at least 1' },
  output: { flag: '--output', accepts: 'a path of the file to write' },
};

/** What `attn-diff history` was given, checked; `last` is null for all runs, `output` for standard output. */
export type HistoryOptions = z.output<typeof historySchema>;

/** @throws AttnDiffError bad-option */
export function parseHistoryOptions(raw: {
  [K in keyof typeof historySchema.shape]?: string | undefined;
}): HistoryOptions {
  return checkedOptions(historySchema, raw, OPTIONS);
}

import { z } from 'zod';
import { factor } from './baseline.js';
import { checkedOptions, type OptionHelp } from './runOptions.js';
import { filePath, word } from './values.js';

export const COMPARE_FORMATS = ['text', 'json', 'markdown'] as const;

export const compareSchema = z.object({
  maxRegression: factor.nullable().default(null),
  format: z.string().default('text').pipe(word(COMPARE_FORMATS)),
  output: filePath.nullable().default(null),
});

const OPTIONS: Record<keyof typeof compareSchema.shape, OptionHelp> = {
  maxRegression: { flag: '--max-regression', accepts: 'a factor above 0, such as 1.5x' },
  format: { flag: '--format', accepts: `one of ${COMPARE_FORMATS.join(', ')}` },
  output: { flag: '--output', accepts: 'a path of the file to write' },
};

/** What `attn-diff compare` was given, checked; `maxRegression` is null where nothing may fail, `output` for standard output. */
export type CompareConfig = z.output<typeof compareSchema>;

/** @throws AttnDiffError bad-option */
export function parseCompareOptions(raw: {
  [K in keyof typeof compareSchema.shape]?: string | undefined;
}): CompareConfig {
  return checkedOptions(compareSchema, raw, OPTIONS);
}

import { z } from 'zod';
import { AttnDiffError } from '../errors.js';
import { KEY_FIELDS, type BaselineOptions } from '../types.js';
import { decimal, filePath, list, word } from './values.js';
import type { ReportTarget } from './reports.js';

/** Options as commander hands them over. */
export interface RawBaselineOptions {
  saveBaseline?: string | undefined;
  baseline?: string | undefined;
  maxRegression?: string | undefined;
  allow?: string | undefined;
}

/** How many times what it was a number may be, as `1.5x` or `1.5`. */
export const factor = z
  .string()
  .transform((text) => text.replace(/x$/i, ''))
  .pipe(decimal(Number.MIN_VALUE, Number.MAX_VALUE, 'it is not above 0, or not finite'));

export const DEFAULT_FACTOR = '1.5x';

export const baselineFields = {
  saveBaseline: filePath.optional(),
  baseline: filePath.optional(),
  maxRegression: factor.optional(),
  allow: list(word(KEY_FIELDS)).optional(),
};

export const BASELINE_OPTIONS: Record<
  keyof typeof baselineFields,
  { flag: string; accepts: string }
> = {
  saveBaseline: { flag: '--save-baseline', accepts: 'a path of the file to write' },
  baseline: {
    flag: '--baseline',
    accepts: 'a file that attn-diff wrote with --save-baseline or --report json=FILE',
  },
  maxRegression: { flag: '--max-regression', accepts: 'a factor above 0, such as 1.5x' },
  allow: { flag: '--allow', accepts: `a list of ${KEY_FIELDS.join(', ')}` },
};

/** What a run is held against, and where it is saved to hold others against. */
export interface BaselineConfig {
  /** Null for nothing. */
  baseline: BaselineOptions | null;
  /** Null where it is not saved. */
  saveBaseline: string | null;
}

/**
 * @param reports where else something is written
 * @throws AttnDiffError bad-option where an option needs another, or two files would be one
 */
export function baselineConfig(
  { maxRegression, allow, ...paths }: z.output<z.ZodObject<typeof baselineFields>>,
  raw: RawBaselineOptions,
  reports: readonly ReportTarget[],
): BaselineConfig {
  const [saveBaseline, baseline] = [paths.saveBaseline ?? null, paths.baseline ?? null];
  const alone = (['maxRegression', 'allow'] as const).find((key) => raw[key] !== undefined);
  if (baseline === null && alone)
    throw new AttnDiffError('bad-option', {
      option: BASELINE_OPTIONS[alone].flag,
      value: raw[alone] ?? null,
      problem: 'there is no baseline that it could be about',
      remedy: `--baseline ${BASELINE_OPTIONS.baseline.accepts}`,
    });
  if (saveBaseline !== null && reports.some(({ path }) => path === saveBaseline))
    throw new AttnDiffError('bad-option', {
      option: '--save-baseline',
      value: saveBaseline,
      problem: 'a report goes there already',
      remedy: 'a file of its own',
    });
  return {
    saveBaseline,
    baseline:
      baseline === null
        ? null
        : {
            path: baseline,
            factor: maxRegression ?? factor.parse(DEFAULT_FACTOR),
            allow: allow ?? [],
          },
  };
}

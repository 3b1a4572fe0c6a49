import { z } from 'zod';
import { AttnDiffError } from '../errors.js';
import { filePath } from './values.js';
import type { ReportTarget } from './reports.js';

/** Options as commander hands them over. */
export interface RawKeepingOptions {
  history?: string | undefined;
  label?: string | undefined;
}

const LONGEST_LABEL = 200;

export const keepingFields = {
  history: filePath.optional(),
  label: z
    .string()
    .min(1, 'it is empty')
    .max(LONGEST_LABEL, `it is longer than ${LONGEST_LABEL} characters`)
    .refine((text) => !/\p{Cc}/u.test(text), 'it holds a line end or another control character')
    .optional(),
};

export const KEEPING_OPTIONS: Record<
  keyof typeof keepingFields,
  { flag: string; accepts: string }
> = {
  history: { flag: '--history', accepts: 'a path of the file to append to' },
  label: { flag: '--label', accepts: 'a name for the run, such as step-1000' },
};

/** Where a run is noted for later; `label` is null where it is called as its model. */
export interface KeepingConfig {
  /** Null for nowhere. */
  history: { path: string; label: string | null } | null;
}

/**
 * @param others where else something is written
 * @throws AttnDiffError bad-option where there is a label and no history, or the history would be overwritten
 */
export function keepingConfig(
  { history, label }: z.output<z.ZodObject<typeof keepingFields>>,
  reports: readonly ReportTarget[],
  others: readonly (string | null)[],
): KeepingConfig {
  if (history === undefined) {
    if (label !== undefined)
      throw new AttnDiffError('bad-option', {
        option: '--label',
        value: label,
        problem: 'there is no history in which the run could be called so',
        remedy: '--history with it, or leave it out',
      });
    return { history: null };
  }
  if ([...reports.map(({ path }) => path), ...others].includes(history))
    throw new AttnDiffError('bad-option', {
      option: '--history',
      value: history,
      problem: 'something else is written there',
      remedy: 'a file of its own',
    });
  return { history: { path: history, label: label ?? null } };
}

import { z } from 'zod';
import { AttnDiffError } from '../errors.js';
import type { ConfigFile } from './file.js';
import { fileSchema, type FileContent } from './fileSchema.js';
import { checkedOptions, type OptionHelp } from './runOptions.js';
import { list, word } from './values.js';

type FileKey = Exclude<keyof FileContent, '$schema'>;

const KEYS = (Object.keys(fileSchema.shape) as (keyof FileContent)[]).filter(
  (key): key is FileKey => key !== '$schema',
);

/** Keys of a configuration file, between commas. */
export const unsetKeys = list(word(KEYS));

export const UNSET_OPTION: OptionHelp = {
  flag: '--unset',
  accepts: 'keys of the configuration file between commas, such as baseline,report',
};

/** Options that go with another alone. */
const GO_WITH: Readonly<Partial<Record<FileKey, readonly FileKey[]>>> = {
  baseline: ['maxRegression', 'allow'],
  history: ['label'],
  data: ['batchSize'],
};

/**
 * A configuration file without some of its keys, and without what goes with those alone.
 *
 * @param text the keys, between commas
 * @throws AttnDiffError bad-option where one is no key, or there is no file
 */
export function withoutKeys(file: ConfigFile | null, text: string): ConfigFile {
  const { unset } = checkedOptions(
    z.object({ unset: unsetKeys }),
    { unset: text },
    { unset: UNSET_OPTION },
  );
  if (file === null)
    throw new AttnDiffError('bad-option', {
      option: UNSET_OPTION.flag,
      value: text,
      problem: 'there is no configuration file that it could be about',
      remedy: '--config with it, or leave it out',
    });
  const keys = new Set<string>(unset.flatMap((key) => [key, ...(GO_WITH[key] ?? [])]));
  return {
    ...file,
    raw: Object.fromEntries(Object.entries(file.raw).filter(([key]) => !keys.has(key))),
    budgets: keys.has('budgets') ? [] : file.budgets,
    findings: keys.has('findings') ? {} : file.findings,
  };
}

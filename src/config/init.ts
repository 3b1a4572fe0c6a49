import { z } from 'zod';
import { checkedOptions, dtypeName, RUN_OPTIONS, type OptionHelp } from './runOptions.js';
import { CI_SERVERS } from './starterWorkflow.js';
import { filePath, word } from './values.js';

export const initSchema = z.object({
  model: filePath,
  dtype: dtypeName,
  yaml: z.boolean().default(false),
  ci: z.string().default('github').pipe(word(CI_SERVERS)),
  force: z.boolean().default(false),
});

/** What `attn-diff init` was given, checked. */
export type InitConfig = z.output<typeof initSchema>;

export interface RawInitOptions {
  model?: string | undefined;
  dtype?: string | undefined;
  yaml?: boolean | undefined;
  ci?: string | undefined;
  force?: boolean | undefined;
}

const OPTIONS: Record<keyof RawInitOptions, OptionHelp> = {
  model: RUN_OPTIONS.model,
  dtype: RUN_OPTIONS.dtype,
  yaml: { flag: '--yaml', accepts: 'it without a value' },
  ci: { flag: '--ci', accepts: `one of ${CI_SERVERS.join(', ')}` },
  force: { flag: '--force', accepts: 'it without a value' },
};

/** @throws AttnDiffError bad-option */
export function parseInitOptions(raw: RawInitOptions): InitConfig {
  return checkedOptions(initSchema, raw, OPTIONS);
}

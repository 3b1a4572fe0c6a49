import { z } from 'zod';
import { checkedOptions, dtypeName, RUN_OPTIONS } from './runOptions.js';
import { filePath } from './values.js';

export const inspectSchema = z.object({
  model: filePath,
  dtype: dtypeName,
  output: filePath.nullable().default(null),
});

/** What `attn-diff inspect` was given, checked; `output` is null for standard output. */
export type InspectPaths = z.output<typeof inspectSchema>;

/** @throws AttnDiffError bad-option */
export function parseInspectPaths(raw: {
  model?: string | undefined;
  dtype?: string | undefined;
  output?: string | undefined;
}): InspectPaths {
  return checkedOptions(inspectSchema, raw, RUN_OPTIONS);
}

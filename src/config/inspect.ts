import { z } from 'zod';
import { badOption, dtypeName, RUN_OPTIONS } from './runOptions.js';
import { filePath } from './values.js';

export const inspectSchema = z.object({ model: filePath, dtype: dtypeName, output: filePath.nullable().default(null) });

/** What `attn-diff inspect` was given, checked; `output` is null for standard output. */
export type InspectPaths = z.output<typeof inspectSchema>;

/** @throws AttnDiffError bad-option */
export function parseInspectPaths(raw: { model?: string | undefined; dtype?: string | undefined; output?: string | undefined }): InspectPaths {
  const parsed = inspectSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  throw badOption(parsed.error.issues[0]!, raw, RUN_OPTIONS);
}

import { z } from 'zod';
import { badOption, dtypeName, RUN_OPTIONS } from './run.js';
import { filePath } from './values.js';

const schema = z.object({ model: filePath, dtype: dtypeName, output: filePath.nullable().default(null) });

/** What `attn-diff inspect` was given, checked; `output` is null for standard output. */
export type InspectPaths = z.output<typeof schema>;

/** @throws AttnDiffError bad-option */
export function parseInspectPaths(raw: { model?: string | undefined; dtype?: string | undefined; output?: string | undefined }): InspectPaths {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  throw badOption(parsed.error.issues[0]!, raw, RUN_OPTIONS);
}

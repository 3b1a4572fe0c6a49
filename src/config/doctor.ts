import { z } from 'zod';
import { badOption, RUN_OPTIONS, seconds } from './runOptions.js';
import { filePath } from './values.js';

export const doctorSchema = z.object({ timeout: z.string().default('60').pipe(seconds), output: filePath.nullable().default(null) });

/** What `attn-diff doctor` was given, checked; `output` is null for standard output. */
export type DoctorOptions = z.output<typeof doctorSchema>;

/** @throws AttnDiffError bad-option */
export function parseDoctorOptions(raw: { timeout?: string | undefined; output?: string | undefined }): DoctorOptions {
  const parsed = doctorSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  throw badOption(parsed.error.issues[0]!, raw, RUN_OPTIONS);
}

import { z } from 'zod';
import { checkedOptions, RUN_OPTIONS, seconds } from './runOptions.js';
import { filePath } from './values.js';

export const doctorSchema = z.object({
  timeout: z.string().default('60').pipe(seconds),
  output: filePath.nullable().default(null),
});

/** What `attn-diff doctor` was given, checked; `output` is null for standard output. */
export type DoctorOptions = z.output<typeof doctorSchema>;

/** @throws AttnDiffError bad-option */
export function parseDoctorOptions(raw: {
  timeout?: string | undefined;
  output?: string | undefined;
}): DoctorOptions {
  return checkedOptions(doctorSchema, raw, RUN_OPTIONS);
}

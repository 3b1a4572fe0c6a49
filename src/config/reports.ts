import { resolve } from 'node:path';
import { z } from 'zod';
import { AttnDiffError } from '../errors.js';
import { REPORT_FORMATS, type ReportFormatName } from '../types.js';
import { HINTS } from './hints.js';
import { filePath, word } from './values.js';

/** One report that is to be written. */
export interface ReportTarget {
  format: ReportFormatName;
  /** Null for standard output. */
  path: string | null;
}

/** Options as commander hands them over. */
export interface RawReportOptions {
  report?: string[] | undefined;
  format?: string | undefined;
  output?: string | undefined;
  /** False where `--no-ci` was given. */
  ci?: boolean | undefined;
}

const written = z.string().transform((text, context): ReportTarget => {
  const [, name = text, path = null] = /^([^=]*)=([^]*)$/.exec(text) ?? [];
  const format = REPORT_FORMATS.find((candidate) => candidate === name);
  if (format !== undefined && path !== '') return { format, path };
  context.addIssue({
    code: 'custom',
    message:
      format === undefined ? `${name || 'nothing'} is no format` : 'it names no file after the =',
  });
  return z.NEVER;
});
const target = written.register(HINTS, { words: REPORT_FORMATS, takesFile: true });

export const reportFields = {
  report: z.array(target).default([]),
  format: word(REPORT_FORMATS).optional(),
  output: filePath.optional(),
  ci: z.boolean().default(true),
};

export const REPORT_OPTIONS: Record<keyof typeof reportFields, { flag: string; accepts: string }> =
  {
    report: {
      flag: '--report',
      accepts: `format=file, or a format for standard output, with one of ${REPORT_FORMATS.join(', ')}`,
    },
    format: { flag: '--format', accepts: `one of ${REPORT_FORMATS.join(', ')}` },
    output: { flag: '--output', accepts: 'a path of the file to write' },
    ci: { flag: '--no-ci', accepts: 'it without a value' },
  };

/**
 * What is to be written: what `--report` names, and what `--format` and `--output` do. Without any of them for standard
 * output, the text goes there.
 *
 * @throws AttnDiffError bad-option where two would go to one place
 */
export function reportTargets(
  { report, format, output }: z.output<z.ZodObject<typeof reportFields>>,
  raw: RawReportOptions,
): ReportTarget[] {
  const isAsked =
    format !== undefined || output !== undefined || !report.some(({ path }) => path === null);
  const targets = isAsked
    ? [{ format: format ?? 'text', path: output ?? null } as const, ...report]
    : report;
  const place = ({ path }: ReportTarget): string | null => (path === null ? null : resolve(path));
  const again = targets.find(
    (each, i) => targets.findIndex((other) => place(other) === place(each)) < i,
  );
  if (!again) return targets;
  const value =
    raw.report?.findLast((text) =>
      again.path === null ? !text.includes('=') : text.endsWith(`=${again.path}`),
    ) ?? null;
  throw new AttnDiffError('bad-option', {
    option: '--report',
    value,
    problem: `${again.path ?? 'standard output'} gets another report already`,
    remedy: 'format=file with a file of its own for each',
  });
}

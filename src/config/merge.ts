import { z } from 'zod';
import { AttnDiffError } from '../errors.js';
import { KEY_FIELDS, MACHINE_FIELDS, type KeyField, type MachineField } from '../types.js';
import {
  BASELINE_OPTIONS,
  baselineConfig,
  baselineFields,
  type BaselineConfig,
  type RawBaselineOptions,
} from './baseline.js';
import {
  KEEPING_OPTIONS,
  keepingConfig,
  keepingFields,
  type KeepingConfig,
  type RawKeepingOptions,
} from './keeping.js';
import {
  REPORT_OPTIONS,
  reportFields,
  reportTargets,
  type RawReportOptions,
  type ReportTarget,
} from './reports.js';
import { argumentsOf } from './run.js';
import { checkedOptions } from './runOptions.js';
import { list, word } from './values.js';

/** What `attn-diff merge` was asked for, checked. */
export interface MergeConfig extends BaselineConfig, KeepingConfig {
  /** The reports of the shards. */
  files: readonly string[];
  /** In what the machines of the shards may differ. */
  allow: ReadonlySet<MachineField>;
  reports: ReportTarget[];
  /** Whether a CI server is told of its own accord. */
  ci: boolean;
  /** What it adds to the command of the shards: that of the whole run has it. */
  command: string[];
}

/** Options as commander hands them over. */
export interface RawMergeOptions extends RawReportOptions, RawBaselineOptions, RawKeepingOptions {}

const ALLOWED = [...new Set([...MACHINE_FIELDS, ...KEY_FIELDS])];

export const mergeSchema = z.object({
  ...baselineFields,
  allow: list(word(ALLOWED)).default([]),
  ...keepingFields,
  ...reportFields,
});

const OPTIONS = {
  ...BASELINE_OPTIONS,
  allow: {
    flag: '--allow',
    accepts: `a list of ${MACHINE_FIELDS.join(', ')}, and with --baseline of ${KEY_FIELDS.join(', ')}`,
  },
  ...KEEPING_OPTIONS,
  ...REPORT_OPTIONS,
};

/**
 * Checks the options of `attn-diff merge`. Nothing is opened.
 *
 * @throws AttnDiffError bad-option
 */
export function parseMergeOptions(files: readonly string[], raw: RawMergeOptions): MergeConfig {
  const options = checkedOptions(mergeSchema, raw, OPTIONS);
  const { allow, ci } = options;
  const reports = reportTargets(options, raw);
  const ofBaseline = KEY_FIELDS.filter((field): field is KeyField => allow.includes(field));
  const baseline = baselineConfig(
    { ...options, allow: ofBaseline },
    { ...raw, allow: undefined },
    reports,
  );
  const idle = allow.find((field) => !isMachineField(field));
  if (baseline.baseline === null && idle !== undefined)
    throw new AttnDiffError('bad-option', {
      option: '--allow',
      value: raw.allow ?? null,
      problem: `shards never differ in ${idle}, and there is no baseline that could`,
      remedy: OPTIONS.allow.accepts,
    });
  return {
    files,
    allow: new Set(allow.filter(isMachineField)),
    reports,
    ci,
    ...baseline,
    ...keepingConfig(options, reports, [baseline.saveBaseline]),
    command:
      baseline.baseline === null
        ? []
        : baselineArguments({ ...raw, allow: ofBaseline.join(',') || undefined }),
  };
}

function isMachineField(field: string): field is MachineField {
  return MACHINE_FIELDS.some((each) => each === field);
}

/** As a run that was held against the baseline itself has them. */
function baselineArguments(raw: RawBaselineOptions): string[] {
  return (['baseline', 'maxRegression', 'allow'] as const).flatMap((key) =>
    argumentsOf(BASELINE_OPTIONS[key].flag, raw[key]),
  );
}

import { pageAssets } from './pageAssets.js';
import { FORMATS } from './report/index.js';
import type { DiffReport, ReportFormatName } from './types.js';

export { diffAttention } from './diffAttention.js';
export type { BudgetOption, DiffOptions, DiffProgress, FindingLevels } from './diffOptions.js';
export { AttnDiffError, EXIT } from './errors.js';
export type { ErrorArgs, ErrorCode, ExitCode } from './errors.js';
export { judge, type Judged } from './gate/judge.js';
export type { Dtype } from './model/dtype.js';
export { mergeShards } from './pipeline/merge.js';
export type { ReportFile } from './pipeline/mergeChecks.js';
export { errorText } from './report/errorText.js';
export { readReport } from './report/read.js';
export type {
  Alignment,
  AttentionPrecision,
  BaselineComparison,
  BatchInfo,
  Budget,
  Cause,
  Check,
  CheckName,
  CheckSource,
  ConfigurationInfo,
  DiffReport,
  EffectRow,
  EnvironmentInfo,
  Explanation,
  Factor,
  Failure,
  Finding,
  GateOptions,
  KeyField,
  Level,
  MachineField,
  MaskFill,
  NonFiniteOrigin,
  PaddingSide,
  Precision,
  ProviderName,
  RangeRow,
  RebuildCheck,
  Recommendation,
  ReportFormatName,
  Row,
  RunImplementationInfo,
  RunModelInfo,
  Scope,
  Shard,
  Tap,
  TokenKind,
  TokenMap,
  TokenMapStream,
  Verdict,
  Weakening,
} from './types.js';

export interface FormatOptions {
  /** Columns of `text`; by default 120. */
  width?: number | undefined;
  /** Whether `text` is coloured; by default not. */
  color?: boolean | undefined;
}

/** The report in one of the formats of `--report`. Nothing is written. */
export function formatReport(
  report: DiffReport,
  format: ReportFormatName,
  { width = 120, color = false }: FormatOptions = {},
): string {
  return FORMATS[format](report, { width, color, page: pageAssets });
}

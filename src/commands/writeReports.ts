import { EXIT, type ExitCode } from '../errors.js';
import type { KeepingConfig, ReportTarget } from '../config/index.js';
import { heldAgainst, unfit } from '../gate/index.js';
import {
  baselineJson,
  configurationLine,
  explainReport,
  FORMATS,
  historyLine,
  historyRun,
  savedText,
} from '../report/index.js';
import type { DiffReport, HeldBaseline } from '../types.js';
import { printable } from '../report/text/width.js';
import { ciPlan, tellCi } from './ci.js';
import type { Output } from './output.js';
import type { OutputPath } from './resources.js';
import { say } from './say.js';
import { renderOptions } from './terminal.js';

/** What is written of a report, and where. */
export interface Writing extends KeepingConfig {
  reports: readonly ReportTarget[];
  /** Whether formats other than HTML tell the ranges of every head. */
  headsTold: boolean;
  /** Whether a CI server is told of its own accord. */
  ci: boolean;
  /** Null where it is not saved to hold others against. */
  saveBaseline: string | null;
}

/** The places that {@link writeReports} writes to, in their order. */
export function outputPaths({
  reports,
  saveBaseline,
  history,
}: Pick<Writing, 'reports' | 'saveBaseline' | 'history'>): OutputPath[] {
  return [
    ...reports.map(({ path }) => path),
    ...(saveBaseline === null ? [] : [saveBaseline]),
    ...(history === null ? [] : [{ appended: history.path }]),
  ];
}

/**
 * Holds a report against a baseline, where there is one, and writes it to where it was asked for, each file whole or
 * not at all; tells a CI server, keeps the numbers, and notes the run in a history. Of `explain` the text tells
 * explanations in place of the tables.
 *
 * @param outputs those of {@link outputPaths}
 * @returns what the verdict comes to
 * @throws AttnDiffError baseline-mismatch, baseline-apart
 */
export function writeReports(
  measured: DiffReport,
  {
    reports,
    headsTold,
    ci,
    saveBaseline,
    history,
    baseline,
  }: Writing & { baseline: HeldBaseline | null },
  outputs: readonly Output[],
): ExitCode {
  const whole = baseline ? heldAgainst(measured, baseline) : measured;
  const report = headsTold ? whole : withoutHeads(whole);
  const isExplained = report.command[0] === 'explain';
  const texts = reports.map(({ format, path }) =>
    (isExplained && format === 'text' ? explainReport : FORMATS[format])(
      format === 'html' ? whole : report,
      renderOptions(path !== null),
    ),
  );
  texts.forEach((text, i) => outputs[i]!.write(text));
  // CSV has no place for it.
  if (report.configuration?.isFound && reports.some(({ format }) => format === 'csv'))
    process.stderr.write(`attn-diff: ${printable(configurationLine(report)!)}.\n`);
  tellCi(ciPlan(process.env, reports, ci), report, (text) => void process.stderr.write(text));
  if (saveBaseline !== null) {
    const why = unfit(report);
    if (why === null) outputs[reports.length]!.write(baselineJson(report));
    say(savedText(saveBaseline, why));
  }
  if (history !== null)
    outputs
      .at(-1)!
      .write(
        historyLine(
          historyRun(report, { time: new Date(), label: history.label ?? report.model.path }),
        ),
      );
  return report.verdict.passed ? EXIT.passed : EXIT.gateFailed;
}

/** Ranges of every head are many lines, so that only the page has them unasked. */
function withoutHeads(report: DiffReport): DiffReport {
  return { ...report, ranges: report.ranges.filter(({ head }) => head === null) };
}

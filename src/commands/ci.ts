import { appendFileSync, statSync } from 'node:fs';
import type { ReportTarget } from '../config/index.js';
import { FORMATS, summaryProblemText, type RenderOptions } from '../report/index.js';
import type { DiffReport } from '../types.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What a CI server is told besides the reports that were asked for. */
export interface CiPlan {
  /** Whether annotations are written to standard error. */
  annotations: boolean;
  /** The file that the Markdown is appended to; null for none. */
  summary: string | null;
}

/** GitHub drops a step's summary that is larger. */
const LARGEST_SUMMARY = 1024 * 1024;
const PLAIN: RenderOptions = { width: 120, color: false };

/** Whether this runs on a CI server, by the variable that most of them set. */
export function isCi({ CI }: Environment): boolean {
  return CI !== undefined && !['', '0', 'false'].includes(CI.toLowerCase());
}

/** Whether to draw what changes by itself: on a terminal, unless a CI server keeps all that is written to it. */
export function drawsProgress(isTerminal: boolean | undefined, environment: Environment): boolean {
  return isTerminal === true && !isCi(environment);
}

/**
 * In GitHub Actions: annotations, unless they are asked for on standard output already, and the step's summary, unless
 * a report goes to that file already. Elsewhere, and where it is switched off, nothing.
 */
export function ciPlan(
  environment: Environment,
  reports: readonly ReportTarget[],
  isOn: boolean,
): CiPlan {
  if (!isOn || environment['GITHUB_ACTIONS'] !== 'true')
    return { annotations: false, summary: null };
  const summary = environment['GITHUB_STEP_SUMMARY'] || null;
  return {
    annotations: !reports.some(({ format, path }) => format === 'github' && path === null),
    summary: reports.some(({ path }) => path !== null && path === summary) ? null : summary,
  };
}

/**
 * Carries a plan out. The runner of GitHub Actions reads workflow commands on standard error too, so that a report on
 * standard output stays whole. A summary that cannot be written is told in a line, and changes nothing else.
 *
 * @param write to standard error
 */
export function tellCi(
  { annotations, summary }: CiPlan,
  report: DiffReport,
  write: (text: string) => void,
): void {
  if (annotations) write(FORMATS.github(report, PLAIN));
  if (summary === null) return;
  const problem = appendSummary(summary, FORMATS.markdown(report, PLAIN));
  if (problem !== null) write(`${summaryProblemText(summary, problem)}\n`);
}

/** @returns what went wrong, as an operating system's error code or in words; null where nothing did */
function appendSummary(path: string, text: string): string | null {
  try {
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    const added = `${size > 0 ? '\n' : ''}${text}`;
    if (size + Buffer.byteLength(added) > LARGEST_SUMMARY)
      return 'with this report it would be larger than 1 MiB, and GitHub would drop all of it';
    appendFileSync(path, added);
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

import type { BenchReport } from '../bench.js';
import type { Comparison, DiffReport, ReportFormatName } from '../types.js';
import { benchText } from './bench.js';
import { csvReport } from './csv.js';
import { githubReport } from './github.js';
import { htmlReport } from './html.js';
import { compareText } from './compare.js';
import { compareMarkdown } from './compareMarkdown.js';
import { benchJson, compareJson, jsonReport } from './json.js';
import { jsonlReport } from './jsonl.js';
import { junitReport } from './junit.js';
import { markdownReport } from './markdown.js';
import { sarifReport } from './sarif.js';
import type { RenderOptions } from './text/context.js';
import { textReport } from './text.js';

export { configurationLine } from './configurationText.js';
export { doctorText } from './doctor.js';
export { baselineJson, readSaved } from './baseline.js';
export { savedText } from './baselineText.js';
export { errorText, summaryProblemText } from './errorText.js';
export {
  HISTORY_FORMATS,
  historyLine,
  historyOf,
  historyRun,
  readHistory,
  tornText,
} from './history/index.js';
export { inspectionText } from './inspection.js';
export { setupListText, setupNoticeText, setupText } from './setup.js';
export { reproFiles, reproText } from './reproFiles.js';
export { doctorJson, inspectionJson } from './json.js';
export { documentJsonSchema, DOCUMENT_NAMES } from './jsonSchema.js';
export { readReport } from './read.js';
export { resultProblem } from './resultSchema.js';
export { reportProblem } from './soundReport.js';
export { rowsProblem } from './soundRows.js';
export { explainReport } from './text/explain.js';
export type { RenderOptions } from './text/context.js';

export type ReportFormat = (report: DiffReport, options: RenderOptions) => string;

/** Every report format by its name; a new one is one file and one line here. */
export const FORMATS: Record<ReportFormatName, ReportFormat> = {
  text: textReport,
  json: jsonReport,
  jsonl: jsonlReport,
  csv: csvReport,
  markdown: markdownReport,
  junit: junitReport,
  sarif: sarifReport,
  html: htmlReport,
  github: githubReport,
};

/** As FORMATS, of two runs side by side. */
export const COMPARE_RENDERERS: Record<
  'text' | 'json' | 'markdown',
  (comparison: Comparison, options: RenderOptions) => string
> = { text: compareText, json: compareJson, markdown: compareMarkdown };

/** As FORMATS, of a bench. */
export const BENCH_FORMATS: Record<
  'text' | 'json',
  (report: BenchReport, options: RenderOptions) => string
> = { text: benchText, json: benchJson };

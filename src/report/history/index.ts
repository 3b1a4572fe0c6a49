import { z } from 'zod';
import {
  type HISTORY_FORMAT_NAMES,
  HISTORY_SCHEMA,
  type History,
  type HistoryRun,
} from '../../types.js';
import { jsonText } from '../jsonText.js';
import type { RenderOptions } from '../text/context.js';
import { historyCsv } from './csv.js';
import { historyMarks } from './marks.js';
import { historySchema } from './schema.js';
import { historyText, type HistoryView } from './text.js';

export { readHistory } from './read.js';
export { historyLine, historyRun } from './run.js';
export type { HistoryView } from './text.js';
export { tornText } from './words.js';

/** Runs with what turned among them. */
export function historyOf(runs: HistoryRun[]): History {
  return { schema: HISTORY_SCHEMA, runs, marks: historyMarks(runs) };
}

/** What `attn-diff history` writes, by the name of the format. */
export const HISTORY_FORMATS: Record<
  (typeof HISTORY_FORMAT_NAMES)[number],
  (history: History, view: HistoryView, options: RenderOptions) => string
> = {
  text: historyText,
  json: (history, { last }) => `${jsonText(z.encode(historySchema, lastOf(history, last)), 2)}\n`,
  csv: (history, { last }) => historyCsv(lastOf(history, last)),
};

/** The last runs, and what turned at them, all the runs before them being known. */
function lastOf({ schema, runs, marks }: History, last: number | null): History {
  const from = last === null ? 0 : Math.max(0, runs.length - last);
  return {
    schema,
    runs: runs.slice(from),
    marks: marks
      .filter(({ run }) => run >= from)
      .map((mark) => ({ ...mark, run: mark.run - from })),
  };
}

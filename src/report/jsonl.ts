import type { DiffReport } from '../types.js';
import { encodedReport } from './json.js';
import { jsonText } from './jsonText.js';

/** The `type` of the lines that each list of the report becomes, in the order of the lines. */
const LISTS = {
  rows: 'row',
  effects: 'effect',
  ranges: 'range',
  maps: 'map',
  explanations: 'explanation',
  findings: 'finding',
} as const;

/**
 * The report as one JSON object a line, each with its `type`, in this order: `header` (all that is in no other line),
 * `row`, `effect`, `range`, `map`, `explanation`, `finding`, `recommendation`, `check`, `timing`, `verdict`.
 *
 * The other keys of a line are those of the item in the JSON form, and numbers are written as there: NaN and ±Infinity
 * are the strings "NaN", "Infinity" and "-Infinity".
 */
export function jsonlReport(report: DiffReport): string {
  const { recommendation, verdict, timing, ...encoded } = encodedReport(report);
  const { checks, ...outcome } = verdict;
  const lists = Object.keys(LISTS) as (keyof typeof LISTS)[];
  const header = Object.fromEntries(Object.entries(encoded).filter(([key]) => !(key in LISTS)));
  const lines: object[] = [
    { type: 'header', ...header },
    ...lists.flatMap((list) =>
      encoded[list].map((item: object) => ({ type: LISTS[list], ...item })),
    ),
    { type: 'recommendation', ...recommendation },
    ...checks.map((check) => ({ type: 'check', ...check })),
    { type: 'timing', ...timing },
    { type: 'verdict', ...outcome },
  ];
  return `${lines.map((line) => jsonText(line)).join('\n')}\n`;
}

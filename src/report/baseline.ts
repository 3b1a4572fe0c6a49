import { z } from 'zod';
import { AttnDiffError } from '../errors.js';
import { savedRun } from '../gate/index.js';
import { BASELINE_SCHEMA, REPORT_SCHEMA, type DiffReport, type Saved } from '../types.js';
import { baselineSchema } from './baselineSchema.js';
import { jsonText } from './jsonText.js';
import { decode, decodeReport, parseDocument, sound } from './read.js';
import { savedRunProblem } from './soundReport.js';

/**
 * What of a report is kept to hold later runs against, as one JSON document: see {@link baselineSchema}. One line for
 * each batch, implementation, row and effect, so that what changes between two of them is seen line by line.
 */
export function baselineJson(report: DiffReport): string {
  const document = z.encode(baselineSchema, { schema: BASELINE_SCHEMA, ...savedRun(report) });
  const fields = Object.entries(document).map(
    ([key, value]) =>
      `  ${JSON.stringify(key)}: ${Array.isArray(value) ? lines(value) : jsonText(value, 2).replaceAll('\n', '\n  ')}`,
  );
  return `{\n${fields.join(',\n')}\n}\n`;
}

function lines(items: readonly unknown[]): string {
  return items.length === 0
    ? '[]'
    : `[\n${items.map((item) => `    ${jsonText(item)}`).join(',\n')}\n  ]`;
}

/**
 * Reads a baseline or a whole report back; NaN and ±Infinity are numbers again.
 *
 * @param path the file that it came from, for the error
 * @throws AttnDiffError report-unreadable
 */
export function readSaved(text: string, path: string): Saved {
  const document = parseDocument(text, path);
  if (document.schema !== BASELINE_SCHEMA && document.schema !== REPORT_SCHEMA)
    throw new AttnDiffError('report-unreadable', {
      path,
      problem: `its schema is ${document.schema}, and this version reads ${BASELINE_SCHEMA} and ${REPORT_SCHEMA}`,
    });
  if (document.schema !== BASELINE_SCHEMA) {
    const report = decodeReport(document, path);
    return { run: savedRun(report), report };
  }
  const { schema: _schema, ...run } = decode(baselineSchema, document, BASELINE_SCHEMA, path);
  return { run: sound(run, savedRunProblem, path), report: null };
}

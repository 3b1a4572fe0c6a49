import type { DiffReport, Row, TokenKind } from '../../types.js';
import { kernelRows } from '../../metrics/index.js';
import { heading, noteLines, type Context } from './context.js';
import { KIND_TEXT, labelText } from './kinds.js';
import { formatCount } from './number.js';
import { fitColumns, leftOutNote, table, type Column } from './table.js';

interface Line {
  batch: string;
  kind: TokenKind;
  implementation: string;
  isReference: boolean;
  tokens: number;
  /** Zero rows per layer. */
  zeroRows: number[];
  /** What of it is no number; null where all is finite. */
  nonFinite: 'NaN' | 'Inf' | null;
  startsBatch: boolean;
  startsKind: boolean;
}

/** What each implementation writes into the attention output of tokens that are no text. */
export function padding(report: DiffReport, context: Context): string[] {
  const title = heading('Padding: what attention writes on tokens that are not valid', context);
  const lines = linesOf(report);
  if (lines.length === 0) return [title, 'No batch has padding tokens.'];
  const fitted = fitColumns(columnsOf(context), lines, context.width);
  const note = leftOutNote(fitted.leftOut);
  return [
    title,
    ...noteLines(
      'fully masked: the query may look at no key (left padding). zero rows: every element is exactly 0. *: the reference.',
      context,
    ),
    '',
    ...table(fitted.columns, lines, context),
    ...(note ? ['', ...noteLines(note, context)] : []),
  ];
}

/** One line for each batch, kind and implementation, of the tokens that are no text. */
function linesOf({ batches, implementations, reference, rows }: DiffReport): Line[] {
  const places = new Map<string, Row[]>();
  for (const row of rows) {
    if (row.kind === 'valid') continue;
    const place = JSON.stringify([row.batch, row.kind, row.implementation]);
    const here = places.get(place);
    if (here) here.push(row);
    else places.set(place, [row]);
  }
  return batches.flatMap(({ name: batch }) => {
    const lines: Line[] = [];
    for (const kind of ['padding', 'fullyMasked'] as const) {
      for (const { name } of implementations) {
        const kernel = kernelRows(places.get(JSON.stringify([batch, kind, name])) ?? []);
        const first = kernel[0];
        if (!first) continue;
        const above = lines.at(-1);
        lines.push({
          batch,
          kind,
          implementation: name,
          isReference: name === reference,
          tokens: first.tokens,
          zeroRows: kernel.map((row) => row.zeroRows),
          nonFinite: kernel.some(({ nan }) => nan !== 0)
            ? 'NaN'
            : kernel.some(({ inf }) => inf !== 0)
              ? 'Inf'
              : null,
          startsBatch: above === undefined,
          startsKind: above?.kind !== kind,
        });
      }
    }
    return lines;
  });
}

function columnsOf({ paint }: Context): Column<Line>[] {
  return [
    { head: 'batch', cell: (line) => (line.startsBatch ? line.batch : ''), max: 16 },
    { head: 'kind', cell: (line) => (line.startsKind ? KIND_TEXT[line.kind] : '') },
    { head: 'impl', cell: (line) => labelText(line.implementation, line.isReference), max: 16 },
    { head: 'tokens', align: 'right', cell: (line) => formatCount(line.tokens) },
    { head: 'zero rows', align: 'right', cell: (line) => spread(line.zeroRows) },
    {
      head: 'non-zero',
      align: 'right',
      cell: (line) =>
        `${spread(line.zeroRows.map((count) => line.tokens - count))}${line.nonFinite ? `, ${line.nonFinite}` : ''}`,
      paint: (text, line) => (line.nonFinite ? paint.red(text) : text),
    },
    {
      head: 'layers',
      cell: layersText,
      drop: 1,
      paint: (text, line) => (isSame(line.zeroRows) ? paint.dim(text) : paint.yellow(text)),
    },
  ];
}

function layersText({ zeroRows, tokens }: Line): string {
  if (isSame(zeroRows))
    return zeroRows.length === 1 ? 'the one layer' : `same in all ${zeroRows.length}`;
  const whole = zeroRows.filter((count) => count === tokens).length;
  return `differ; all zero in ${whole} of ${zeroRows.length}`;
}

function spread(counts: readonly number[]): string {
  const ordered = counts.toSorted((a, b) => a - b);
  const [least = 0] = ordered;
  const most = ordered.at(-1) ?? 0;
  return least === most ? formatCount(least) : `${formatCount(least)}–${formatCount(most)}`;
}

function isSame(counts: readonly number[]): boolean {
  return counts.every((count) => count === counts[0]);
}

export { columnsOf as paddingColumns, linesOf as paddingLines };

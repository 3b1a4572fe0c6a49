import type { DiffReport, Row } from '../../types.js';
import { comparePlaces, compareRows, nonFiniteRows } from '../../metrics/index.js';
import { heading, noteLines, prose, type Context } from './context.js';
import { KIND_TEXT, rangesText } from './kinds.js';
import { formatCount, plural } from './number.js';
import { fitColumns, leftOutNote, table, type Column } from './table.js';

/** Rows of neighbouring layers that say the same. */
interface Line {
  row: Row;
  layers: number[];
  isFirst: boolean;
  startsImplementation: boolean;
}

/** Where NaN and Inf are: counts by implementation, layer, tap and kind of token; the first of each is marked. */
export function nonFinite(report: DiffReport, context: Context): string[] {
  const title = heading('NaN and Inf', context);
  const perBatch = linesByBatch(report);
  const lines = perBatch.flatMap((batch) => batch.lines);
  if (lines.length === 0) {
    const names = new Set(report.rows.map(({ implementation }) => implementation));
    const measured = report.implementations
      .map(({ name }) => name)
      .filter((name) => names.has(name));
    const looked = report.rows.reduce((sum, row) => sum + elements(row, report), 0);
    return [
      title,
      ...prose(`None in ${plural(looked, 'value')} of ${measured.join(', ')}.`, context),
    ];
  }
  const fitted = fitColumns(columnsOf(report, lines, context), lines, context.width);
  const note = leftOutNote(fitted.leftOut);
  const tables = perBatch.flatMap((batch) =>
    batch.lines.length === 0
      ? []
      : [
          '',
          ...prose(`Batch ${batch.name}`, context),
          ...table(fitted.columns, batch.lines, context),
        ],
  );
  return [title, ...tables, ...(note ? ['', ...noteLines(note, context)] : [])];
}

/** The lines of each batch, those of an implementation together; those of the file's own nodes last, where they ran beside the others. */
function linesByBatch({
  batches,
  implementations,
  rows,
  file,
}: DiffReport): { name: string; lines: Line[] }[] {
  const places = new Map<string, Row[]>();
  for (const row of nonFiniteRows([...rows, ...file.rows])) {
    const place = JSON.stringify([row.batch, row.implementation]);
    const here = places.get(place);
    if (here) here.push(row);
    else places.set(place, [row]);
  }
  const labels = [
    ...implementations.map(({ name }) => name),
    ...(file.rows.length > 0 ? [file.label] : []),
  ];
  return batches.map(({ name }) => ({
    name,
    lines: labels.flatMap((label) => linesOf(places.get(JSON.stringify([name, label])) ?? [])),
  }));
}

/** @param rows those of one implementation in one batch that are not finite */
function linesOf(rows: readonly Row[]): Line[] {
  const bad = rows.toSorted(compareRows);
  const first = bad[0];

  const lines: Line[] = [];
  for (const row of bad) {
    const run = lines.find((line) => continues(line, row));
    if (run && row.layer !== null) run.layers.push(row.layer);
    else {
      lines.push({
        row,
        layers: row.layer === null ? [] : [row.layer],
        isFirst: first !== undefined && comparePlaces(row, first) === 0,
        startsImplementation: lines.length === 0,
      });
    }
  }
  return lines;
}

/** Whether a row of the next layer says the same as the run; the first place of all stays a line of its own. */
function continues({ row, layers, isFirst }: Line, next: Row): boolean {
  return (
    !isFirst &&
    next.layer !== null &&
    layers.at(-1) === next.layer - 1 &&
    row.tap === next.tap &&
    row.scope === next.scope &&
    row.kind === next.kind &&
    isSameCount(row, next)
  );
}

function isSameCount(a: Row, b: Row): boolean {
  return a.nan === b.nan && a.inf === b.inf;
}

function elements(row: Row, { model, logits }: DiffReport): number {
  const width = {
    attention: model.heads * model.headDim,
    hidden: model.hiddenSize,
    logits: logits?.width ?? model.vocabSize,
  }[row.tap];
  return row.tokens * width;
}

function columnsOf(report: DiffReport, lines: readonly Line[], { paint }: Context): Column<Line>[] {
  const red = (text: string, count: number): string =>
    count > 0 ? paint.red(text) : paint.dim(text);
  const columns: Column<Line>[] = [
    {
      head: 'impl',
      cell: (line) => (line.startsImplementation ? line.row.implementation : ''),
      max: 14,
    },
    { head: 'layer', align: 'right', cell: (line) => rangesText(line.layers) },
    { head: 'tap', cell: (line) => line.row.tap },
    { head: 'scope', cell: (line) => line.row.scope, drop: 2 },
    { head: 'kind', cell: (line) => KIND_TEXT[line.row.kind] },
    {
      head: 'NaN',
      align: 'right',
      cell: (line) => formatCount(line.row.nan),
      paint: (text, line) => red(text, line.row.nan),
    },
    {
      head: 'Inf',
      align: 'right',
      cell: (line) => formatCount(line.row.inf),
      paint: (text, line) => red(text, line.row.inf),
    },
    {
      head: 'elements',
      align: 'right',
      drop: 1,
      cell: (line) => formatCount(elements(line.row, report)),
    },
    {
      head: '',
      cell: (line) => (line.isFirst ? '◀ first' : ''),
      paint: (text) => paint.red.bold(text),
    },
  ];
  const hasLocal = lines.some((line) => line.row.scope === 'local');
  return columns.filter((column) => hasLocal || column.head !== 'scope');
}

export { columnsOf as nonFiniteColumns, linesByBatch as nonFiniteLines };

import type { DiffReport, EffectRow } from '../../types.js';
import { overallEffects } from '../../metrics/index.js';
import { lossNote } from '../outputText.js';
import { heading, noteLines, prose, type Context } from './context.js';
import { labelText } from './kinds.js';
import { formatCount, formatNumber, formatSigned, plural } from './number.js';
import { finiteRange, runsOf, sparkline } from './sparkline.js';
import { fitColumns, leftOutNote, table, type Column } from './table.js';
import { displayWidth, printable, truncate } from './width.js';

interface Line {
  row: EffectRow;
  reference: EffectRow | undefined;
  isReference: boolean;
  startsBatch: boolean;
}

const NONE = '–';
/** With more batches than this, each implementation has one line and a sparkline. */
const LISTED_BATCHES = 4;
const LABEL_WIDTH = 22;
/** A mean KL below this is what float64 rounding leaves of ln p. */
const KL_ROUNDING = 1e-14;

/** What each implementation does to the prediction of the next token: a line per batch and implementation, or per implementation where batches are many. */
export function effects(report: DiffReport, context: Context): string[] {
  const title = heading('Effect on the output: predicting the next token', context);
  const note = lossNote(report);
  if (report.effects.length === 0) return note === null ? [] : [title, ...prose(note, context)];
  if (report.effects.every(({ targets }) => targets === 0))
    return [
      title,
      ...prose(
        'No valid token is followed by another of the same document, so there is nothing to predict.',
        context,
      ),
    ];
  const batches = [...new Set(report.effects.map(({ batch }) => batch))];
  const listed = batches.length <= LISTED_BATCHES;
  const overall = batches.length > 1 ? overallEffects(report.effects) : [];
  const lines = linesOf([...(listed ? report.effects : []), ...overall], report.reference);
  const fitted = fitColumns(columnsOf(context, listed), lines, context.width);
  const leftOut = leftOutNote(fitted.leftOut);
  return [
    title,
    ...(note === null ? [] : noteLines(note, context)),
    ...noteLines(
      `loss: mean −ln p of the next token, in nats, where a valid token is followed by another of the same document. Δ: against ${report.reference}. KL: mean KL(${report.reference} ‖ implementation), in nats. flips: predictions whose most likely token is another. *: the reference.`,
      context,
    ),
    '',
    ...table(fitted.columns, lines, context),
    ...(listed ? [] : ['', ...lossPerBatch(report, batches, context)]),
    ...(leftOut ? ['', ...noteLines(leftOut, context)] : []),
  ];
}

function linesOf(rows: readonly EffectRow[], reference: string): Line[] {
  return rows.map((row, i) => ({
    row,
    reference: rows.find(
      ({ batch, implementation }) => batch === row.batch && implementation === reference,
    ),
    isReference: row.implementation === reference,
    startsBatch: rows[i - 1]?.batch !== row.batch,
  }));
}

function columnsOf({ paint }: Context, withBatch: boolean): Column<Line>[] {
  const number = (
    head: string,
    read: (line: Line) => number,
    format: (value: number) => string,
    drop?: number,
  ): Column<Line> => ({
    head,
    align: 'right',
    ...(drop === undefined ? {} : { drop }),
    cell: (line) => (line.row.targets === 0 ? NONE : format(read(line))),
    paint: (text, line) =>
      text === NONE ? paint.dim(text) : Number.isFinite(read(line)) ? text : paint.red.bold(text),
  });
  const compared = (column: Column<Line>): Column<Line> => ({
    ...column,
    cell: (line) => (line.isReference ? NONE : column.cell(line)),
  });
  return [
    ...(withBatch
      ? [
          {
            head: 'batch',
            max: 12,
            cell: ({ row, startsBatch }: Line) => (startsBatch ? row.batch : ''),
          },
        ]
      : []),
    {
      head: 'impl',
      cell: ({ row, isReference }) => labelText(row.implementation, isReference),
      max: LABEL_WIDTH,
    },
    { head: 'targets', align: 'right', drop: 1, cell: ({ row }) => formatCount(row.targets) },
    number('loss', ({ row }) => row.loss, lossText),
    compared(number('Δ loss', lossDelta, formatSigned)),
    number('perplexity', ({ row }) => row.perplexity, lossText, 2),
    compared(
      number(
        'Δ ppl',
        (line) => 100 * Math.expm1(lossDelta(line)),
        (value) => `${formatSigned(value)}${Number.isFinite(value) ? '%' : ''}`,
        3,
      ),
    ),
    compared(number('KL', ({ row }) => row.kl, klText)),
    {
      head: 'flips',
      align: 'right',
      cell: flipsText,
      paint: (text) => (text === NONE ? paint.dim(text) : text),
    },
  ];
}

function lossDelta({ row, reference }: Line): number {
  return row.loss - (reference?.loss ?? NaN);
}

/** A loss or perplexity for a reader. */
export function lossText(value: number): string {
  return Math.abs(value) < 1e4 ? value.toFixed(4) : formatNumber(value);
}

/** A mean KL in nats; what is only rounding of ln p is not told apart. */
export function klText(value: number): string {
  return value !== 0 && Math.abs(value) < KL_ROUNDING ? `<${KL_ROUNDING}` : formatNumber(value);
}

function flipsText({ row, isReference }: Line): string {
  if (isReference || row.targets === 0) return NONE;
  return row.flips === 0
    ? '0'
    : `${formatCount(row.flips)} (${formatNumber((100 * row.flips) / row.targets)}%)`;
}

/** A sparkline for each implementation, all on one scale. */
function lossPerBatch(report: DiffReport, batches: readonly string[], context: Context): string[] {
  const labels = report.implementations.map(({ name }) => ({
    name,
    text: truncate(printable(labelText(name, name === report.reference)), LABEL_WIDTH),
  }));
  const indent = Math.max(...labels.map(({ text }) => displayWidth(text))) + 2;
  const runs = runsOf(batches, context.width - indent);
  const losses = labels.map(({ name }) =>
    runs.map((run) => {
      const [row] = overallEffects(
        report.effects.filter(
          ({ batch, implementation }) => implementation === name && run.includes(batch),
        ),
      );
      return row && row.targets > 0 ? row.loss : null;
    }),
  );
  const range = finiteRange(losses.flat());
  const drawn = losses.map((own) => sparkline(own, range));
  const scale = range ? [`▁ ${lossText(range[0])} to █ ${lossText(range[1])}`] : [];
  const each =
    runs[0]!.length === 1
      ? 'in order'
      : `in order, a mark for ${plural(runs[0]!.length, 'batch', 'batches')}`;
  const legend = [...scale, ...new Set(drawn.flatMap((line) => line.legend))].join(', ');
  return [
    ...prose(`Loss of ${plural(batches.length, 'batch', 'batches')}, ${each}: ${legend}`, context),
    ...drawn.map(
      ({ marks }, i) =>
        `${labels[i]!.text}${' '.repeat(indent - displayWidth(labels[i]!.text))}${marks}`,
    ),
  ];
}

export { columnsOf as effectColumns, linesOf as effectLines };

import type { DiffReport, RangeRow } from '../../types.js';
import { overBatches } from '../../metrics/index.js';
import { heading, noteLines, type Context } from './context.js';
import { formatNumber } from './number.js';
import { fitColumns, leftOutNote, table, type Column } from './table.js';

type Line = Omit<RangeRow, 'batch'>;

/** Less headroom than this is worth a look; below 1 there is none. */
const LITTLE_HEADROOM = 4;

/** How near attention's numbers come to the ends of what low precision holds; a line per layer, and per head where the report has heads. */
export function ranges(report: DiffReport, context: Context): string[] {
  const lines = overBatches(report.ranges);
  if (lines.length === 0) return [];
  const fitted = fitColumns(
    columnsOf(
      context,
      lines.some(({ head }) => head !== null),
    ),
    lines,
    context.width,
  );
  const note = leftOutNote(fitted.leftOut);
  return [
    heading("Ranges worth watching (valid queries, reference's Q and K)", context),
    ...noteLines(
      "max|QKᵀ|: before the scale, over all keys, masked ones too; S max: times the scale, as QK-Clip counts. headroom: 65504, the most that fp16 holds, over max|QKᵀ|; below 1, fp16 overflows. underflow: share of the allowed p that are 0; it and |Σp−1| at the run's precision. Of several batches the worst; of entropy (nats), ‖p‖₂ and underflow the mean.",
      context,
    ),
    '',
    ...table(fitted.columns, lines, context),
    ...(note ? ['', ...noteLines(note, context)] : []),
  ];
}

function columnsOf({ paint }: Context, withHeads: boolean): Column<Line>[] {
  const number = (head: string, read: (line: Line) => number, drop?: number): Column<Line> => ({
    head,
    align: 'right',
    ...(drop === undefined ? {} : { drop }),
    cell: (line) => formatNumber(read(line)),
    paint: (text, line) => (Number.isFinite(read(line)) ? text : paint.red.bold(text)),
  });
  return [
    {
      head: 'layer',
      align: 'right',
      cell: ({ layer, head }) => (head === null ? String(layer) : ''),
    },
    ...(withHeads
      ? [
          {
            head: 'head',
            align: 'right' as const,
            cell: ({ head }: Line) => (head === null ? 'all' : String(head)),
          },
        ]
      : []),
    number('max\n|QKᵀ|', ({ maxScore }) => maxScore),
    number('S max', ({ scaledScore }) => scaledScore, 5),
    { ...number('fp16\nheadroom', ({ headroom }) => headroom), paint: headroomPaint },
    number('max\n|K|', ({ maxKey }) => maxKey, 3),
    number('entropy', ({ entropy }) => entropy),
    number('‖p‖₂', ({ weightsL2 }) => weightsL2, 1),
    number('max\n|Σp−1|', ({ rowSumError }) => rowSumError, 2),
    number('underflow', ({ underflow }) => underflow, 4),
  ];

  function headroomPaint(text: string, { headroom }: Line): string {
    if (headroom >= LITTLE_HEADROOM) return text;
    return headroom >= 1 ? paint.yellow(text) : paint.red.bold(text);
  }
}

export { columnsOf as rangeColumns };

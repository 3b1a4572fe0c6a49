import Table from 'cli-table3';
import type { Context } from './context.js';
import { displayWidth, printable, truncate } from './width.js';

export interface Column<R> {
  /** One or more lines, parted by `\n`. */
  head: string;
  cell: (row: R) => string;
  align?: 'left' | 'right';
  paint?: (text: string, row: R) => string;
  /** In what order columns are left out where the terminal is narrow: 1 first; never, if left out. */
  drop?: number;
  /** The widest that a cell may be before it is cut with `…`. */
  max?: number;
}

const GAP = '  ';
/** A column of text is not cut below this. */
const NARROWEST = 5;
const NO_BORDERS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  right: '',
  'right-mid': '',
  mid: '',
  'mid-mid': '',
  middle: GAP,
};

/**
 * Leaves out columns, those with the smallest `drop` first, until the table fits.
 *
 * @returns the columns that are left, and the heads of those that are not, in their own order
 */
export function fitColumns<R>(
  columns: readonly Column<R>[],
  rows: readonly R[],
  width: number,
): { columns: Column<R>[]; leftOut: string[] } {
  const widths = new Map(columns.map((column) => [column, columnWidth(column, rows)]));
  const widthOf = (some: readonly Column<R>[]): number =>
    some.reduce((sum, column) => sum + widths.get(column)!, GAP.length * (some.length - 1));
  let kept = [...columns];
  while (widthOf(kept) > width) {
    const next = kept
      .filter((column) => column.drop !== undefined)
      .toSorted((a, b) => (a.drop ?? 0) - (b.drop ?? 0))[0];
    if (!next) break;
    kept = kept.filter((column) => column !== next);
  }
  kept = narrowed(kept, widths, widthOf(kept) - width);
  const leftOut = columns
    .filter(({ head }) => !kept.some((column) => column.head === head))
    .map((column) => column.head.replaceAll('\n', ' '));
  return { columns: kept, leftOut };
}

/** Columns of text cut down, the widest first, where none can be left out any more; numbers are never cut. */
function narrowed<R>(
  columns: readonly Column<R>[],
  widths: ReadonlyMap<Column<R>, number>,
  excess: number,
): Column<R>[] {
  const left = columns.map((column) => (column.align === 'right' ? 0 : widths.get(column)!));
  for (let over = excess; over > 0;) {
    const widest = left.indexOf(Math.max(...left));
    // Down to the next widest at once; where two are alike, by one.
    const next = Math.max(NARROWEST, ...left.filter((_, i) => i !== widest));
    const cut = Math.min(over, Math.max(1, left[widest]! - next));
    if (left[widest]! - cut < NARROWEST) break;
    left[widest]! -= cut;
    over -= cut;
  }
  return columns.map((column, i) =>
    column.align === 'right' || left[i] === widths.get(column)
      ? column
      : { ...column, max: left[i]! },
  );
}

/** One line that says which columns were left out and how to see them; none where all are there. */
export function leftOutNote(leftOut: readonly string[]): string {
  if (leftOut.length === 0) return '';
  return `Left out to fit: ${leftOut.join(', ')}. See them in a wider terminal or with --format json.`;
}

/** The lines of a table without borders: head, rule, one line a row. */
export function table<R>(
  columns: readonly Column<R>[],
  rows: readonly R[],
  { paint }: Context,
): string[] {
  const headLines = Math.max(...columns.map((column) => column.head.split('\n').length));
  const drawn = new Table({
    chars: NO_BORDERS,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
    colAligns: columns.map((column) => column.align ?? 'left'),
  });
  // The head is an ordinary row, so that it is aligned like the cells below it.
  drawn.push(columns.map(({ head }) => padHead(head, headLines)));
  for (const row of rows) {
    drawn.push(
      columns.map((column) => {
        const text = textOf(column, row);
        return column.paint ? column.paint(text, row) : text;
      }),
    );
  }
  const lines = drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd());
  const rule = columns
    .map((column) => (column.head === '' ? ' ' : '─').repeat(columnWidth(column, rows)))
    .join(GAP)
    .trimEnd();
  return [
    ...lines.slice(0, headLines).map((line) => paint.bold(line)),
    paint.dim(rule),
    ...lines.slice(headLines),
  ];
}

/** The columns of the terminal that a table takes. */
export function tableWidth<R>(columns: readonly Column<R>[], rows: readonly R[]): number {
  const cells = columns.reduce((sum, column) => sum + columnWidth(column, rows), 0);
  return cells + GAP.length * (columns.length - 1);
}

function columnWidth<R>(column: Column<R>, rows: readonly R[]): number {
  const head = Math.max(...column.head.split('\n').map(displayWidth));
  return rows.reduce((width, row) => Math.max(width, displayWidth(textOf(column, row))), head);
}

function textOf<R>(column: Column<R>, row: R): string {
  return truncate(printable(column.cell(row)), column.max ?? Infinity);
}

function padHead(head: string, lines: number): string {
  return '\n'.repeat(lines - head.split('\n').length) + head;
}

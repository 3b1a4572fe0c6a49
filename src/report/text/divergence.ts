import type { BatchInfo, DiffReport, Row, RunImplementationInfo } from '../../types.js';
import { comparePlaces } from '../../metrics/index.js';
import { isBeyond } from '../worst.js';
import { heading, noteLines, prose, type Context } from './context.js';
import { labelText } from './kinds.js';
import { formatCosine, formatNumber, formatSigned } from './number.js';
import { fitColumns, leftOutNote, table, type Column } from './table.js';

/** One place of one implementation; attention has both scopes, hidden and logits only the accumulated. */
interface Line {
  batch: string;
  layer: number | null;
  tap: Row['tap'];
  implementation: string;
  isReference: boolean;
  local: Row | undefined;
  accumulated: Row | undefined;
  /** What rounding explains of the implementation. */
  rounding: RunImplementationInfo['rounding'];
  /** What is not said again from the line above. */
  startsLayer: boolean;
  startsTap: boolean;
}

/** What a number of a line is held against. */
type Limit = (line: Line) => number;

const NONE = '–';
const ANY = { local: Infinity, accumulated: Infinity };
/** flash-attention's own tests accept for O an error of at most twice that of plain attention at the same precision. */
const PLAIN_LIMIT = 2;

/** The divergence tables of valid tokens, one per batch, by layer × tap × implementation. */
export function divergence(report: DiffReport, context: Context): string[] {
  const perBatch = report.batches
    .map((batch) => ({ batch, lines: linesOf(report, batch.name) }))
    .filter(({ lines }) => lines.some(({ isReference }) => !isReference));
  const all = perBatch.flatMap(({ lines }) => lines);
  const hasMarks = all.some((line) => markOf(line) !== '');
  const fitted = fitColumns(
    columnsOf(context).filter(({ head }) => hasMarks || head !== ''),
    all,
    context.width,
  );
  if (perBatch.length === 0) return [];
  const note = leftOutNote(fitted.leftOut);
  return [
    heading(`Divergence from ${report.reference} on valid tokens`, context),
    ...noteLines(
      `local: what this layer's kernel introduces, run on the reference's Q, K, V. accum.: what has built up in the implementation's own stream. Δ = implementation − reference. exact: the error against attention in float64 (local for attention); × plain: that error, as max|Δ|, over that of eager at the run's precision. *: the reference.${hasMarks ? ' ◀: more than rounding explains; ◀ local: by this layer alone.' : ''}`,
      context,
    ),
    ...perBatch.flatMap(({ batch, lines }) => [
      '',
      ...prose(batchTitle(batch), context),
      ...table(fitted.columns, lines, context),
    ]),
    ...(note ? ['', ...noteLines(note, context)] : []),
  ];
}

/** What sets a line off without colour: that an error is more than rounding explains, and whether this layer makes it. */
function markOf({ local, accumulated, rounding, isReference }: Line): '' | '◀' | '◀ local' {
  if (isReference) return '';
  if (isBeyond(local, rounding.local)) return '◀ local';
  return isBeyond(accumulated, rounding.accumulated) ? '◀' : '';
}

function batchTitle(batch: BatchInfo): string {
  return `Batch ${batch.name} (${batch.size} × ${batch.length}, padded on the ${batch.padding}, ${batch.tokens.valid} valid)`;
}

function linesOf(report: DiffReport, batch: string): Line[] {
  const order = report.implementations.map(({ name }) => name);
  const roundings = new Map(report.implementations.map(({ name, rounding }) => [name, rounding]));
  const lines = new Map<string, Line>();
  for (const row of report.rows) {
    if (row.batch !== batch || row.kind !== 'valid') continue;
    const { layer, tap, implementation } = row;
    const key = JSON.stringify([layer, tap, implementation]);
    const line = lines.get(key) ?? {
      batch,
      layer,
      tap,
      implementation,
      isReference: implementation === report.reference,
      rounding: roundings.get(implementation) ?? ANY,
      local: undefined,
      accumulated: undefined,
      startsLayer: true,
      startsTap: true,
    };
    line[row.scope] = row;
    lines.set(key, line);
  }
  const sorted = [...lines.values()].toSorted(
    (a, b) =>
      comparePlaces(a, b) || order.indexOf(a.implementation) - order.indexOf(b.implementation),
  );
  return sorted.map((line, index) => {
    const above = sorted[index - 1];
    const startsLayer = above?.layer !== line.layer;
    return { ...line, startsLayer, startsTap: startsLayer || above?.tap !== line.tap };
  });
}

function columnsOf(context: Context): Column<Line>[] {
  return [
    {
      head: 'layer',
      align: 'right',
      cell: (line) => (line.startsLayer && line.layer !== null ? String(line.layer) : ''),
    },
    { head: 'tap', cell: (line) => (line.startsTap ? line.tap : '') },
    { head: 'impl', cell: (line) => labelText(line.implementation, line.isReference), max: 22 },
    metric('local\nmax|Δ|', 'local', (row) => row.maxAbs, formatNumber, { drop: 5 }),
    metric('local\nrel L2', 'local', (row) => row.relL2, formatNumber, {
      limit: ({ rounding }) => rounding.local,
    }),
    metric('accum.\nmax|Δ|', 'accumulated', (row) => row.maxAbs, formatNumber, { drop: 9 }),
    metric('mean\nL2', 'accumulated', (row) => row.meanL2, formatNumber, { drop: 3 }),
    metric('accum.\nrel L2', 'accumulated', (row) => row.relL2, formatNumber, {
      limit: ({ rounding }) => rounding.accumulated,
    }),
    metric('min\ncosine', 'accumulated', (row) => row.minCosine, formatCosine, { drop: 6 }),
    error('exact\nrel L2', (row) => row.exactRelL2, { drop: 8 }),
    error('×\nplain', (row) => row.ratioPlain, { drop: 7, limit: () => PLAIN_LIMIT }),
    metric('bias', 'accumulated', (row) => row.bias, formatSigned, { drop: 2 }),
    error('exact\nbias', (row) => row.exactBias, { drop: 4, format: formatSigned }),
    {
      head: 'first\ntoken',
      align: 'right',
      drop: 1,
      cell: ({ accumulated, isReference }) =>
        isReference || accumulated?.firstToken == null ? NONE : String(accumulated.firstToken),
    },
    { head: '', cell: markOf, paint: (text) => context.paint.yellow(text) },
  ];

  /** Against exact: of attention the local error, which is the kernel's own. */
  function error(
    head: string,
    read: (row: Row) => number,
    {
      drop,
      limit,
      format = formatNumber,
    }: { drop: number; limit?: Limit; format?: (value: number) => string },
  ): Column<Line> {
    const value = ({ local, accumulated }: Line): number => read((local ?? accumulated)!);
    return {
      head,
      align: 'right',
      drop,
      cell: (line) => format(value(line)),
      paint: (text, line) => painted(text, value(line), limit?.(line)),
    };
  }

  function painted(text: string, value: number, limit: number | undefined): string {
    if (!Number.isFinite(value)) return context.paint.red.bold(text);
    return limit !== undefined && value > limit ? context.paint.yellow(text) : text;
  }

  function metric(
    head: string,
    scope: Row['scope'],
    read: (row: Row) => number,
    format: (value: number) => string,
    { drop, limit }: { drop?: number; limit?: Limit } = {},
  ): Column<Line> {
    return {
      head,
      align: 'right',
      ...(drop === undefined ? {} : { drop }),
      cell: (line) => {
        const row = line[scope];
        return row && !line.isReference ? format(read(row)) : NONE;
      },
      paint: (text, line) => {
        const row = line[scope];
        return row && !line.isReference
          ? painted(text, read(row), limit?.(line))
          : context.paint.dim(text);
      },
    };
  }
}

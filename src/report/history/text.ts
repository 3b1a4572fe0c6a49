import { terminalText } from '../../printable.js';
import type {
  History,
  HistoryImplementation,
  HistoryMark,
  HistoryMetric,
  HistoryRun,
} from '../../types.js';
import {
  contextOf,
  facts,
  heading,
  noteLines,
  prose,
  type Context,
  type RenderOptions,
} from '../text/context.js';
import { klText } from '../text/effects.js';
import { labelText } from '../text/kinds.js';
import { formatCount, formatNumber, formatSigned, plural } from '../text/number.js';
import { fitColumns, leftOutNote, table, type Column } from '../text/table.js';
import { printable } from '../text/width.js';
import { isBeyond } from './marks.js';
import { plot } from './plot.js';
import { markSign, markText, minuteText } from './words.js';

const NONE = '–';

export interface HistoryView {
  path: string;
  /** What is plotted. */
  metrics: readonly HistoryMetric[];
  /** How many of the last runs are shown; null for all. */
  last: number | null;
}

/**
 * A history for a terminal: the runs in a table, plots, and what turned when.
 *
 * @param options `width` in columns: no line is longer, for 60 and more; `color`: whether to write ANSI colour codes
 * @returns text that ends in a line end
 */
export function historyText(
  { runs, marks }: History,
  { path, metrics, last }: HistoryView,
  options: RenderOptions,
): string {
  const context = contextOf(options);
  const { paint } = context;
  const from = last === null ? 0 : Math.max(0, runs.length - last);
  const shown = runs.slice(from);
  const sections = [
    [paint.bold('attn-diff history'), '', ...facts(aboutRuns(runs, shown, path), context)],
    runTable(
      shown,
      marks.map((mark) => ({ ...mark, run: mark.run - from })),
      context,
    ),
    ...metrics.map((metric) => plot(shown, metric, context)),
    turningPoints(runs, marks, from, context),
  ];
  return terminalText(`${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`);
}

function aboutRuns(
  runs: readonly HistoryRun[],
  shown: readonly HistoryRun[],
  path: string,
): [string, string][] {
  const references = [...new Set(runs.map(({ reference }) => reference))];
  return [
    ['History', path],
    [
      'Runs',
      `${formatCount(runs.length)}, ${minuteText(runs[0]!.time)} to ${minuteText(runs.at(-1)!.time)} UTC${shown.length < runs.length ? `; the last ${formatCount(shown.length)} are shown` : ''}`,
    ],
    ['Reference', references.join(', ')],
  ];
}

interface Line {
  run: HistoryRun;
  implementation: HistoryImplementation;
  isReference: boolean;
  startsRun: boolean;
  /** What is so for the first time. */
  first: string[];
}

function runTable(
  runs: readonly HistoryRun[],
  marks: readonly HistoryMark[],
  context: Context,
): string[] {
  const lines = runs.flatMap((run, i) =>
    run.implementations.map((implementation, j): Line => ({
      run,
      implementation,
      isReference: implementation.name === run.reference,
      startsRun: j === 0,
      first: marks.flatMap((mark) =>
        mark.run === i && 'implementation' in mark && mark.implementation === implementation.name
          ? [shortText(mark)]
          : [],
      ),
    })),
  );
  const fitted = fitColumns(columns(context), lines, context.width);
  return [
    heading('Runs', context),
    ...noteLines(
      "local, accum.: the largest relative L2 on valid tokens, on the reference's Q, K, V and in the implementation's own stream; !: more than rounding explains. Δ loss: against the reference. headroom: 65504 / max |QKᵀ|. *: the reference. ◀: so for the first time.",
      context,
    ),
    '',
    ...table(fitted.columns, lines, context),
    ...(fitted.leftOut.length === 0
      ? []
      : ['', ...noteLines(leftOutNote(fitted.leftOut), context)]),
  ];
}

function shortText(mark: HistoryMark): string {
  if (mark.kind === 'beyond-rounding') return mark.scope === 'local' ? 'local' : 'accum.';
  return mark.kind === 'non-finite' ? 'NaN, Inf' : mark.kind;
}

function columns({ paint }: Context): Column<Line>[] {
  const ofRun = (
    head: string,
    read: (run: HistoryRun) => string,
    more: Partial<Column<Line>> = {},
  ): Column<Line> => ({
    head,
    cell: ({ run, startsRun }) => (startsRun ? read(run) : ''),
    ...more,
  });
  const place = (
    head: string,
    scope: 'local' | 'accumulated',
    more: Partial<Column<Line>> = {},
  ): Column<Line> => ({
    head,
    align: 'right',
    ...more,
    cell: ({ implementation, isReference }) => {
      const found = implementation[scope];
      return found === null || isReference
        ? NONE
        : `${formatNumber(found.relL2)}${isBeyond(found) ? ' !' : '  '}`;
    },
    paint: (text) =>
      text.startsWith('NaN') || text.startsWith('Inf')
        ? paint.red.bold(text)
        : text.endsWith('!')
          ? paint.yellow(text)
          : text === NONE
            ? paint.dim(text)
            : text,
  });
  const effect = (
    head: string,
    read: (line: Line) => number | undefined,
    format: (value: number) => string,
    drop?: number,
  ): Column<Line> => ({
    head,
    align: 'right',
    ...(drop === undefined ? {} : { drop }),
    cell: (line) => {
      const value = line.isReference ? undefined : read(line);
      return value === undefined ? NONE : format(value);
    },
    paint: (text) =>
      text === NONE
        ? paint.dim(text)
        : text === 'NaN' || text.endsWith('Inf')
          ? paint.red.bold(text)
          : text,
  });
  return [
    ofRun('run', ({ label }) => label, { max: 28 }),
    ofRun('time (UTC)', ({ time }) => minuteText(time), { drop: 1 }),
    ofRun('verdict', ({ passed }) => (passed ? 'PASSED' : 'FAILED'), {
      drop: 8,
      paint: (text) => (text === 'FAILED' ? paint.red.bold(text) : text),
    }),
    {
      head: 'impl',
      cell: ({ implementation, isReference }) => labelText(implementation.name, isReference),
      max: 22,
    },
    place('local', 'local'),
    {
      head: 'layer',
      align: 'right',
      drop: 5,
      cell: ({ implementation: { local }, isReference }) =>
        local === null || isReference ? NONE : String(local.layer ?? 'logits'),
      paint: (text) => (text === NONE ? paint.dim(text) : text),
    },
    place('accum.', 'accumulated', { drop: 7 }),
    effect('Δ loss', ({ implementation }) => implementation.effect?.deltaLoss, formatSigned, 6),
    effect('KL', ({ implementation }) => implementation.effect?.kl, klText, 3),
    effect('flips', ({ implementation }) => implementation.effect?.flips, formatCount, 2),
    {
      head: 'NaN, Inf',
      align: 'right',
      cell: ({ implementation }) => formatCount(implementation.nonFinite),
      paint: (text) => (text === '0' ? paint.dim(text) : paint.red.bold(text)),
    },
    ofRun('headroom', ({ range }) => (range === null ? NONE : formatNumber(range.headroom)), {
      align: 'right',
      drop: 4,
    }),
    {
      head: '',
      cell: ({ first }) => (first.length === 0 ? '' : `◀ ${first.join(', ')}`),
      paint: (text) => paint.red(text),
    },
  ];
}

function turningPoints(
  runs: readonly HistoryRun[],
  marks: readonly HistoryMark[],
  from: number,
  context: Context,
): string[] {
  const { paint } = context;
  const color = { '✗': paint.red, '!': paint.yellow, '✓': paint.green } as const;
  const nothing = `Nothing turned: every run has the verdict ${runs[0]!.passed ? 'PASSED' : 'FAILED'}, and every implementation stayed within what rounding explains.`;
  return [
    heading('What turned', context),
    ...(marks.length === 0 ? prose(nothing, context) : []),
    ...marks.flatMap((mark) => {
      const sign = markSign(mark);
      const when = `${printable(runs[mark.run]!.label)}${mark.run < from ? `, ${plural(from - mark.run, 'run')} before those shown` : ''}`;
      return prose(`${sign} ${when}: ${markText(mark, runs)}`, context, '  ').map((line) =>
        color[sign](line),
      );
    }),
  ];
}

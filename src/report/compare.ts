import { terminalText } from '../printable.js';
import { findingLevel } from '../metrics/index.js';
import type {
  ComparedEffect,
  ComparedRow,
  Comparison,
  EffectNumbers,
  RowNumbers,
} from '../types.js';
import { compareLines, effectLines, type CompareLine } from './compare/lines.js';
import {
  clauseText,
  differenceTitle,
  onlyText,
  referenceNote,
  regressionText,
  sameText,
  verdictsText,
} from './compare/words.js';
import { findingText } from './findingText.js';
import {
  contextOf,
  facts,
  heading,
  noteLines,
  prose,
  type Context,
  type RenderOptions,
} from './text/context.js';
import { labelText } from './text/kinds.js';
import { klText, lossText } from './text/effects.js';
import { formatCount, formatNumber, formatSigned } from './text/number.js';
import { fitColumns, leftOutNote, table, type Column } from './text/table.js';

const NONE = '–';

/**
 * Two runs side by side for a terminal: what was run otherwise, the numbers by place, predictions, findings that came
 * and went, verdicts.
 *
 * @param options `width` in columns: no line is longer, for 60 and more; `color`: whether to write ANSI colour codes
 * @returns text that ends in a line end
 */
export function compareText(comparison: Comparison, options: RenderOptions): string {
  const context = contextOf(options);
  const { paint } = context;
  const sections = [
    [
      paint.bold('attn-diff compare'),
      '',
      ...facts(
        [
          ['A', comparison.a.path],
          ['B', comparison.b.path],
        ],
        context,
      ),
    ],
    differenceLines(comparison, context),
    ...numberSections(comparison, context),
    findingLines(comparison, context),
    verdictLines(comparison, context),
  ];
  return terminalText(
    `${sections
      .filter((lines) => lines.length > 0)
      .map((lines) => lines.join('\n'))
      .join('\n\n')}\n`,
  );
}

function differenceLines({ differences }: Comparison, context: Context): string[] {
  if (differences.length === 0) return [];
  const { paint } = context;
  const value = (mark: '-' | '+', text: string | null): string[] =>
    text === null
      ? []
      : prose(`${mark} ${text}`, context, '  ').map((line) =>
          (mark === '-' ? paint.red : paint.green)(line),
        );
  return [
    heading('What was run otherwise', context),
    ...differences.flatMap((each) => [
      ...prose(differenceTitle(each), context, '  '),
      ...value('-', each.a),
      ...value('+', each.b),
    ]),
  ];
}

/** The numbers of both, by place and of the predictions, and what of them is not shown. */
function numberSections(comparison: Comparison, context: Context): string[][] {
  const { batches, same, ...only } = compareLines(comparison);
  const effects = effectLines(comparison);
  const [rowTable, effectTable] = [
    rowsFitted(
      batches.flatMap(({ lines }) => lines),
      context,
    ),
    fitColumns(effectColumns(context), effects, context.width),
  ];
  const notes = [referenceNote(comparison), sameText(comparison, same), onlyText(only)]
    .filter((note) => note !== null)
    .flatMap((note) => prose(note, context));
  const leftOut = (heads: readonly string[]): string[] =>
    heads.length === 0 ? [] : ['', ...noteLines(leftOutNote(heads), context)];
  return [
    batches.length === 0
      ? []
      : [
          heading('Relative L2 on valid tokens', context),
          ...noteLines(
            "local: what this layer's kernel introduces, run on the reference's Q, K, V. accum.: what has built up in the implementation's own stream. ×: B over A. exact: against attention in float64. NaN: NaN and infinite elements. *: the reference.",
            context,
          ),
          ...batches.flatMap(({ name, lines }) => [
            '',
            ...prose(`Batch ${name}`, context),
            ...table(rowTable.columns, lines, context),
          ]),
          ...leftOut(rowTable.leftOut),
        ],
    effects.length === 0
      ? []
      : [
          heading('Predicting the next token', context),
          ...noteLines(
            'loss and KL in nats, KL against the reference of each run; Δ and ×: B against A.',
            context,
          ),
          '',
          ...table(effectTable.columns, effects, context),
          ...leftOut(effectTable.leftOut),
        ],
    notes,
  ];
}

/** The columns that fit; of the error against exact both or none, and NaN only where there is any. */
function rowsFitted(
  lines: readonly CompareLine[],
  context: Context,
): ReturnType<typeof fitColumns<CompareLine>> {
  const hasNonFinite = lines.some(({ local, accumulated }) =>
    [local, accumulated].some((row) =>
      [row?.a, row?.b].some((numbers) => numbers && numbers.nan + numbers.inf > 0),
    ),
  );
  const columns = rowColumns(context).filter(({ head }) => hasNonFinite || !head.startsWith('NaN'));
  const fitted = fitColumns(columns, lines, context.width);
  if (!fitted.leftOut.some((head) => head.startsWith('exact'))) return fitted;
  const { columns: kept, leftOut } = fitColumns(
    columns.filter(({ head }) => !head.startsWith('exact')),
    lines,
    context.width,
  );
  return { columns: kept, leftOut: ['exact A', 'exact B', ...leftOut] };
}

type Pair = { a: RowNumbers; b: RowNumbers; ratio: number; rounding: number };

function rowColumns({ paint }: Context): Column<CompareLine>[] {
  const pair = (row: ComparedRow | undefined): Pair | null =>
    row?.a && row.b && row.ratio !== null
      ? { a: row.a, b: row.b, ratio: row.ratio, rounding: row.rounding }
      : null;
  const number = (
    head: string,
    scope: 'local' | 'accumulated',
    read: (both: Pair) => number,
    more: Partial<Column<CompareLine>> = {},
  ): Column<CompareLine> => ({
    head,
    align: 'right',
    cell: (line) => {
      const both = line.isReference ? null : pair(line[scope]);
      return both ? formatNumber(read(both)) : NONE;
    },
    paint: (text) =>
      text === 'NaN' || text.endsWith('Inf')
        ? paint.red.bold(text)
        : text === NONE
          ? paint.dim(text)
          : text,
    ...more,
  });
  const relative = (
    head: string,
    scope: 'local' | 'accumulated',
    drop: number,
  ): Column<CompareLine>[] => [
    number(`${head}\nA`, scope, ({ a }) => a.relL2, { drop }),
    number(`${head}\nB`, scope, ({ b }) => b.relL2),
    number(`${head}\n×`, scope, ({ ratio }) => ratio, {
      paint: (text, line) => ratioPainted(text, line.isReference ? null : pair(line[scope]), paint),
    }),
  ];
  const exact = ({ local, accumulated }: CompareLine): Pair | null => pair(local ?? accumulated);
  const nonFinite = ({ nan, inf }: RowNumbers): number => nan + inf;
  return [
    { head: 'layer', align: 'right', cell: ({ layer }) => (layer === null ? '' : String(layer)) },
    { head: 'tap', cell: ({ tap }) => tap },
    {
      head: 'impl',
      cell: ({ implementation, isReference }) => labelText(implementation, isReference),
      max: 22,
    },
    ...relative('local', 'local', 3),
    ...relative('accum.', 'accumulated', 4),
    ...(['a', 'b'] as const).map((side): Column<CompareLine> => ({
      head: side === 'a' ? 'exact\nA' : 'exact\nB',
      align: 'right',
      drop: 1,
      cell: (line) => formatNumber(exact(line)?.[side].exactRelL2 ?? NaN),
    })),
    ...(['a', 'b'] as const).map((side): Column<CompareLine> => ({
      head: side === 'a' ? 'NaN\nA' : 'NaN\nB',
      align: 'right',
      drop: 2,
      cell: ({ local, accumulated }) =>
        formatCount(nonFinite((pair(accumulated) ?? pair(local))![side])),
      paint: (text) => (text === '0' ? paint.dim(text) : paint.red(text)),
    })),
  ];
}

/** What has become half as much again stands out, and what has become less, beyond what rounding explains. */
function ratioPainted(text: string, both: Pair | null, paint: Context['paint']): string {
  if (both === null) return paint.dim(text);
  if (Number.isNaN(both.ratio)) return paint.red.bold(text);
  if (both.ratio > NOTABLE && both.b.relL2 > both.rounding) return paint.yellow(text);
  return both.ratio < 1 / NOTABLE && both.a.relL2 > both.rounding ? paint.green(text) : text;
}

const NOTABLE = 1.5;

function effectColumns({ paint }: Context): Column<ComparedEffect>[] {
  const number = (
    head: string,
    read: (a: EffectNumbers, b: EffectNumbers) => number,
    format: (value: number) => string,
    drop?: number,
  ): Column<ComparedEffect> => ({
    head,
    align: 'right',
    ...(drop === undefined ? {} : { drop }),
    cell: ({ a, b }) => format(read(a!, b!)),
    paint: (text) => (text === 'NaN' || text.endsWith('Inf') ? paint.red.bold(text) : text),
  });
  return [
    { head: 'batch', cell: ({ batch }) => batch, max: 12 },
    { head: 'impl', cell: ({ implementation }) => implementation, max: 22 },
    number('loss\nA', (a) => a.loss, lossText),
    number('loss\nB', (_, b) => b.loss, lossText),
    number('loss\nΔ', (a, b) => b.loss - a.loss, formatSigned),
    number('KL\nA', (a) => a.kl, klText),
    number('KL\nB', (_, b) => b.kl, klText),
    number('KL\n×', (a, b) => (a.kl === 0 && b.kl === 0 ? 1 : b.kl / a.kl), formatNumber, 2),
    number('flips\nA', (a) => a.flips, formatCount, 1),
    number('flips\nB', (_, b) => b.flips, formatCount, 1),
  ];
}

const MARKS = { came: '+', went: '-', stayed: '=' } as const;

/** What came in whole sentences, what went or stayed in a clause. */
function findingLines({ findings, a, b }: Comparison, context: Context): string[] {
  if (findings === null) return [];
  const { paint } = context;
  const colours = { came: paint.red, went: paint.green, stayed: paint.dim };
  const lines = (['came', 'went', 'stayed'] as const).flatMap((change) =>
    findings[change].flatMap((finding) => {
      const colour =
        change === 'stayed' || findingLevel(finding) === 'fine' ? paint.dim : colours[change];
      const text =
        change === 'came'
          ? findingText(finding, b.reference)
          : clauseText(finding, change === 'went' ? a.reference : b.reference);
      return prose(`${MARKS[change]} ${text}`, context, '  ').map((line, i) =>
        i === 0 ? colour(line.slice(0, 1)) + line.slice(1) : line,
      );
    }),
  );
  return lines.length === 0
    ? []
    : [heading('Findings: + came, - went, = stayed', context), ...lines];
}

function verdictLines(comparison: Comparison, context: Context): string[] {
  const { paint } = context;
  const verdict = regressionText(comparison);
  const verdicts = prose(verdictsText(comparison), context);
  if (verdict === null) return verdicts;
  const colour = verdict.passed ? paint.green.bold : paint.red.bold;
  return [
    ...verdicts,
    '',
    ...prose(`${verdict.word}: ${verdict.clause}.`, context).map((line, i) =>
      i === 0 ? colour(verdict.word) + line.slice(verdict.word.length) : line,
    ),
    ...verdict.missed.flatMap((text) => prose(`✗ ${text}`, context, '  ')),
    ...verdict.told.flatMap((text) => noteLines(text, context)),
  ];
}

import { terminalText } from '../printable.js';
import type { BenchReport, BenchRow } from '../bench.js';
import type { ImplementationInfo } from '../types.js';
import { FAILURE_CLAUSE, failureText } from './failureText.js';
import { findingText } from './findingText.js';
import {
  contextOf,
  facts,
  noteLines,
  prose,
  type Context,
  type RenderOptions,
} from './text/context.js';
import { implementationFacts, modelFacts, providerFact } from './text/header.js';
import { formatCount, formatNumber, plural } from './text/number.js';
import { fitColumns, leftOutNote, table, type Column } from './text/table.js';

const NONE = '–';

/** A median absolute deviation, as a share of the median, from which on a machine was too busy for small ratios. */
const BUSY = 0.1;

/**
 * What a bench measured, for a terminal.
 *
 * @param options `width` in columns: no line is longer, for 60 and more; `color`: whether to write ANSI colour codes
 * @returns text that ends in a line end
 */
export function benchText(report: BenchReport, options: RenderOptions): string {
  const context = contextOf(options);
  const { columns, leftOut } = fitColumns(columnsOf(report, context), report.rows, context.width);
  const note = leftOutNote(leftOut);
  const sections = [
    header(report, context),
    table(columns, report.rows, context),
    [...(note === '' ? [] : noteLines(note, context)), ...notes(report, context)],
  ];
  return terminalText(`${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`);
}

function header({ environment, model, rows, baseline }: BenchReport, context: Context): string[] {
  return [
    `${context.paint.bold(`attn-diff ${environment.attnDiff}`)}: time and memory of a forward pass`,
    '',
    ...facts(
      [
        ...modelFacts(model),
        providerFact(
          rows.filter(({ provider }) => provider !== 'unknown'),
          environment,
        ),
        ...kernelsOf(rows).flatMap((info) =>
          implementationFacts(info, info.name === baseline ? 'baseline' : ''),
        ),
      ],
      context,
    ),
  ];
}

/** What ran of each implementation: once where it is the same at all lengths, else at each; of one that never ran, that it did not. */
function kernelsOf(rows: readonly BenchRow[]): ImplementationInfo[] {
  return [...new Set(rows.map(({ implementation }) => implementation))].flatMap((name) => {
    const own = rows.filter(({ implementation }) => implementation === name);
    const ran = own.filter(({ failure }) => failure === null);
    const [first, ...others] = ran.length > 0 ? ran : own.slice(0, 1);
    const isSame = others.every(
      ({ kernel, evidence, proof }) =>
        kernel === first!.kernel && evidence === first!.evidence && proof === first!.proof,
    );
    return isSame
      ? [{ ...first!, name }]
      : ran.map((row) => ({ ...row, name: `${name}, ${row.length}` }));
  });
}

function columnsOf({ rows, baseline }: BenchReport, { paint }: Context): Column<BenchRow>[] {
  const number = (value: number | null | undefined, format = formatNumber): string =>
    value == null ? NONE : format(value);
  const isFirst = (row: BenchRow): boolean =>
    rows.find(({ length }) => length === row.length) === row;
  return [
    {
      head: 'length',
      align: 'right',
      cell: (row) => (isFirst(row) ? formatCount(row.length) : ''),
    },
    {
      head: 'implementation',
      cell: (row) =>
        `${row.implementation}${row.implementation === baseline ? '*' : ''}${markOf(row)}${row.emulated ? ' (emulated)' : ''}`,
    },
    {
      head: 'median\nms',
      align: 'right',
      cell: ({ seconds }) => (seconds ? formatNumber(seconds.median * 1000) : 'failed'),
      paint: (text, { seconds }) => (seconds ? text : paint.red(text)),
    },
    { head: '±', align: 'right', cell: (row) => number(spreadOf(row), percent) },
    {
      head: 'tokens/s',
      align: 'right',
      drop: 1,
      cell: ({ tokensPerSecond }) =>
        number(tokensPerSecond, (value) => formatCount(Math.round(value))),
    },
    { head: '×\noriginal', align: 'right', cell: ({ ratio }) => number(ratio) },
    { head: 'peak\nMiB', align: 'right', drop: 3, cell: ({ peakMiB }) => number(peakMiB) },
    { head: '×\nmemory', align: 'right', drop: 2, cell: ({ memoryRatio }) => number(memoryRatio) },
  ];
}

/** The median absolute deviation as a share of the median; null where the row failed. */
function spreadOf({ seconds }: BenchRow): number | null {
  return seconds && seconds.mad / seconds.median;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

function busyText(rows: readonly BenchRow[]): string[] {
  const [worst] = rows
    .filter((row) => (spreadOf(row) ?? 0) > BUSY)
    .toSorted((a, b) => spreadOf(b)! - spreadOf(a)!);
  if (!worst) return [];
  return [
    `! Passes spread by up to ${percent(spreadOf(worst)!)} of their median (${worst.implementation} at length ${formatCount(worst.length)}): the machine was busy with other things, and ratios near 1 mean little. Repeat more often (--repeat), or on a quiet machine.`,
  ];
}

/** `†` where another kernel ran than was asked for, `?` where nothing tells which one did. */
function markOf({ proof, failure }: BenchRow): string {
  if (failure) return '';
  return proof === 'fallback' ? '†' : proof === 'not-provable' ? '?' : '';
}

function notes(report: BenchReport, context: Context): string[] {
  const { rows } = report;
  const paintFirst = (text: string, paint: (mark: string) => string): string[] =>
    prose(text, context, '  ').map((line, i) =>
      i === 0 ? paint(line.slice(0, 1)) + line.slice(1) : line,
    );
  const fallbacks = rows
    .filter(({ proof }) => proof === 'fallback')
    .map(({ implementation, asked, kernel, provider, written, ran, reason }) =>
      findingText(
        {
          code: 'kernel-fallback',
          implementation,
          asked,
          kernel,
          provider,
          written,
          ran,
          reason: reason!,
        },
        '',
      ),
    );
  const unknown = rows
    .filter((row) => markOf(row) === '?')
    .map(
      ({ implementation, evidence }) =>
        `nothing tells which kernel ran of ${implementation}: ${evidence}.`,
    );
  const emulated = [
    ...new Set(rows.filter((row) => row.emulated).map(({ implementation }) => implementation)),
  ];
  return [
    ...noteLines(measuredText(report), context),
    ...busyText(rows).flatMap((text) => paintFirst(text, context.paint.yellow)),
    ...[...new Set(fallbacks)].flatMap((text) => paintFirst(`† ${text}`, context.paint.yellow)),
    ...[...new Set(unknown)].flatMap((text) => paintFirst(`? ${text}`, context.paint.yellow)),
    ...(emulated.length > 0
      ? paintFirst(
          `! The precision of ${emulated.join(', ')} is emulated by rounding: such a time says nothing of a real kernel.`,
          context.paint.yellow,
        )
      : []),
    ...rows.flatMap(({ implementation, length, failure }) =>
      failure
        ? paintFirst(
            `✗ ${implementation} at length ${formatCount(length)} ${FAILURE_CLAUSE[failure.kind]} while ${failure.stage}: ${failureText(failure)}`,
            context.paint.red,
          )
        : [],
    ),
  ];
}

function measuredText({ settings: { batch, repeat, warmup }, rows }: BenchReport): string {
  const state =
    warmup === 0 ? 'without warming up' : `warm (${plural(warmup, 'pass', 'passes')} before them)`;
  const gpu = rows.some(({ asked }) => asked.provider !== 'cpu')
    ? ', without that of a GPU, which is not measured'
    : '';
  return `Forward passes of the whole model on ${plural(batch, 'row')} of random tokens, ${state}: median of ${plural(repeat, 'pass', 'passes')} taken in turns; ± is the median absolute deviation from it. Ratios are to *, the file as it is. Memory is what the process held at most, loading the model included, above an empty one${gpu}.`;
}

import type { ComparedEffect, ComparedRow, Comparison, Finding, RowNumbers } from '../types.js';
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
import { code, cut, details, fenced, inline, markdownTable } from './markdown/escape.js';
import { klText, lossText } from './text/effects.js';
import { formatCount, formatNumber, formatSigned, plural } from './text/number.js';
import { printable } from './text/width.js';

/** GitHub takes comments of 65,536 characters; the rest is left to who posts it. */
const LONGEST = 65_000;
/** Items that a list has at most: the first number that makes it fit. */
const MOST = [400, 200, 100, 50, 25, 12, 6, 3, 1];
const LONGEST_VALUE = 500;
const LONGEST_SENTENCES = 1500;
const NONE = '–';

/**
 * Two runs side by side as a comment of a pull request, in GitHub's Markdown, of at most 65,000 characters. Where lists
 * are cut, what changed most stays, and what was left out is said.
 */
export function compareMarkdown(comparison: Comparison): string {
  for (const most of MOST) {
    const text = write(comparison, most);
    if (text.length <= LONGEST) return text;
  }
  return cut(write(comparison, 1), LONGEST);
}

function write(comparison: Comparison, most: number): string {
  const parts = [
    heading(comparison),
    regression(comparison, most),
    differences(comparison, most),
    predictions(comparison, most),
    places(comparison, most),
    findings(comparison, most),
  ];
  return `${parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function heading(comparison: Comparison): string[] {
  const { a, b } = comparison;
  const verdict = regressionText(comparison);
  const lines = compareLines(comparison);
  const notes = [
    verdictsText(comparison),
    referenceNote(comparison),
    sameText(comparison, lines.same),
    onlyText(lines),
  ].filter((note) => note !== null);
  const title =
    verdict === null
      ? 'attn-diff compare'
      : `${verdict.passed ? '✓' : '✗'} attn-diff compare: ${verdict.word}`;
  return [
    `<!-- attn-diff compare ${[a.path, b.path].map((path) => cut(printable(path), LONGEST_VALUE).replaceAll('>', '&gt;')).join(' ')} -->`,
    `## ${title}`,
    '',
    `A is ${code(a.path)}, B is ${code(b.path)}.`,
    ...notes.flatMap((note) => ['', sentences(note)]),
  ];
}

function regression(comparison: Comparison, most: number): string[] {
  const verdict = regressionText(comparison);
  if (verdict === null) return [];
  return [
    `${sentences(`${verdict.word}: ${verdict.clause}.`)}`,
    ...(verdict.missed.length === 0 ? [] : ['']),
    ...verdict.missed.slice(0, most).map((text) => `- ✗ ${sentences(text)}`),
    ...leftOut(verdict.missed.length - most, 'check'),
    '',
    ...verdict.told.map(sentences),
  ];
}

function differences({ differences: all }: Comparison, most: number): string[] {
  if (all.length === 0) return [];
  const value = (sign: string, text: string | null): string[] =>
    text === null ? [] : [`${sign} ${cut(printable(text), LONGEST_VALUE)}`];
  const lines = all
    .slice(0, most)
    .flatMap((each) => [
      `  ${cut(printable(differenceTitle(each)), LONGEST_VALUE)}`,
      ...value('-', each.a),
      ...value('+', each.b),
    ]);
  return [
    '### What was run otherwise',
    '',
    ...fenced(lines, 'diff'),
    ...leftOut(all.length - most, 'difference'),
  ];
}

function predictions(comparison: Comparison, most: number): string[] {
  const all = effectLines(comparison);
  if (all.length === 0) return [];
  const cells = ({ batch, implementation, a, b }: ComparedEffect): string[] => [
    code(batch),
    code(implementation),
    mark(lossText(a!.loss), a!.loss),
    mark(lossText(b!.loss), b!.loss),
    formatSigned(b!.loss - a!.loss),
    mark(klText(a!.kl), a!.kl),
    mark(klText(b!.kl), b!.kl),
    formatCount(a!.flips),
    formatCount(b!.flips),
  ];
  const columns = [
    { head: 'batch' },
    { head: 'implementation' },
    ...['loss A', 'B', 'Δ', 'KL A', 'B', 'flips A', 'B'].map((head) => ({
      head,
      align: 'right' as const,
    })),
  ];
  return [
    '### Predicting the next token',
    '',
    ...markdownTable(columns, all.slice(0, most).map(cells)),
    '',
    `Loss and KL in nats.${all.length > most ? ` Left out to fit: ${plural(all.length - most, 'line')}.` : ''}`,
  ];
}

function places(comparison: Comparison, most: number): string[] {
  const all = compareLines(comparison).batches.flatMap(({ lines }) => lines);
  if (all.length === 0) return [];
  const kept = new Set(all.toSorted((a, b) => change(b) - change(a)).slice(0, most));
  const columns = [
    { head: 'batch' },
    { head: 'layer', align: 'right' as const },
    { head: 'tap' },
    { head: 'implementation' },
    ...['local A', 'B', '×', 'accumulated A', 'B', '×', 'NaN, Inf A', 'B'].map((head) => ({
      head,
      align: 'right' as const,
    })),
  ];
  const cells = ({
    batch,
    layer,
    tap,
    implementation,
    isReference,
    local,
    accumulated,
  }: CompareLine): string[] => [
    inline(batch),
    layer === null ? NONE : String(layer),
    tap,
    code(implementation),
    ...rowCells(isReference ? undefined : local),
    ...rowCells(isReference ? undefined : accumulated),
    ...nonFinite(accumulated ?? local),
  ];
  const note = `Relative L2 on valid tokens. Local: attention on the reference's Q, K, V; accumulated: in the implementation's own stream. ×: B over A.${all.length > kept.size ? ` Left out to fit: ${all.length - kept.size} of ${plural(all.length, 'line')}, those that changed least.` : ''}`;
  return details('By place', [
    note,
    '',
    ...markdownTable(columns, all.filter((line) => kept.has(line)).map(cells)),
  ]);
}

/** How many times a number grew or shrank, as a logarithm; what is not finite before all. */
function change({ local, accumulated }: CompareLine): number {
  return Math.max(
    ...[local, accumulated].map((row) => {
      if (!row || row.ratio === null) return 0;
      return Number.isFinite(row.ratio) && row.ratio > 0
        ? Math.abs(Math.log(row.ratio))
        : Number.MAX_VALUE;
    }),
  );
}

function rowCells(row: ComparedRow | undefined): string[] {
  if (!row?.a || !row.b || row.ratio === null) return [NONE, NONE, NONE];
  return [
    mark(formatNumber(row.a.relL2), row.a.relL2),
    mark(formatNumber(row.b.relL2), row.b.relL2),
    mark(formatNumber(row.ratio), row.ratio),
  ];
}

function nonFinite(row: ComparedRow | undefined): string[] {
  const count = (numbers: RowNumbers | null | undefined): string =>
    numbers ? formatCount(numbers.nan + numbers.inf) : NONE;
  return [count(row?.a), count(row?.b)];
}

function findings({ findings: all, a, b }: Comparison, most: number): string[] {
  if (all === null) return [];
  const lines = [
    ...all.came.map((finding) => `- came: ${sentences(findingText(finding, b.reference))}`),
    ...all.went.map((finding: Finding) => `- went: ${sentences(clauseText(finding, a.reference))}`),
    ...all.stayed.map(
      (finding: Finding) => `- stayed: ${sentences(clauseText(finding, b.reference))}`,
    ),
  ];
  return lines.length === 0
    ? []
    : ['### Findings', '', ...lines.slice(0, most), ...leftOut(lines.length - most, 'finding')];
}

function leftOut(count: number, noun: string): string[] {
  return count > 0 ? [`- and ${plural(count, `more ${noun}`)}, left out to fit`] : [];
}

function sentences(text: string): string {
  return inline(cut(text, LONGEST_SENTENCES));
}

/** What is no number stands out. */
function mark(text: string, value: number): string {
  return Number.isFinite(value) ? text : `**${text}**`;
}

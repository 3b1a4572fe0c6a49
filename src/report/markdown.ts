import { findingLevel } from '../metrics/index.js';
import { terminalText } from '../printable.js';
import type { DiffReport, Finding } from '../types.js';
import { comparisonSentences } from './baselineText.js';
import { checkCommand, checkSentences } from './checkText.js';
import { commandText } from './commandText.js';
import { configurationLine, isSuspect } from './configurationText.js';
import { findingText } from './findingText.js';
import { issues, type Issue } from './issues.js';
import { explanationLines, recommendationLines } from './markdown/explanations.js';
import {
  byImplementation,
  byLayer,
  environmentLines,
  kernelTable,
  type Cut,
} from './markdown/tables.js';
import { code, cut, details, fenced, inline } from './markdown/escape.js';
import { plural } from './text/number.js';
import { printable } from './text/width.js';
import { checkedText, foundSentence, verdictLead } from './verdictText.js';

/** GitHub takes comments of 65,536 characters; the rest is left to who posts it. */
const LONGEST = 65_000;
/** Items that a list has at most: the first number that makes it fit. */
const MOST = [200, 100, 50, 25, 12, 6, 3, 1];

const LONGEST_SENTENCES = 1500;
const LONGEST_COMMAND = 2000;

/**
 * The report as a comment of a pull request, in GitHub's Markdown, of at most 65,000 characters: verdict, what failed
 * and how to see it again, warnings, the baseline, findings, which implementation to use, a table by implementation, and, folded, what was tried to
 * find causes, the tables by layer, what ran, and on what. Where lists are cut the gravest stay, and what was left out is said.
 *
 * The first line is a comment that does not show and that is the same for every run of one command, so that a bot can
 * find the comment that it wrote before.
 */
export function markdownReport(report: DiffReport): string {
  for (const most of MOST) {
    const text = terminalText(write(report, { most }));
    if (text.length <= LONGEST) return text;
  }
  return cut(terminalText(write(report, { most: 1 })), LONGEST);
}

function write(report: DiffReport, cutting: Cut): string {
  const parts = [
    [marker(report), ...heading(report, cutting)],
    ...problems(report, cutting),
    baselineLines(report),
    findingLines(report, cutting),
    explanationLines(report, cutting),
    recommendationLines(report, cutting),
    byImplementation(report, cutting),
    byLayer(report, cutting),
    details('What ran', [
      ...kernelTable(report, cutting),
      '',
      ...environmentLines(report, cutting),
    ]),
  ];
  return `${parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function marker({ command }: DiffReport): string {
  return `<!-- ${cut(printable(commandText(command)), 500).replaceAll('>', '&gt;')} -->`;
}

function heading(report: DiffReport, { most }: Cut): string[] {
  const { verdict, findings, model, implementations, reference, batches, shard } = report;
  const mark = !verdict.passed
    ? '✗'
    : findings.some((finding) => findingLevel(finding) === 'fault')
      ? '!'
      : '✓';
  const names = implementations
    .filter(({ name }) => name !== reference)
    .map(({ name }) => code(name));
  const others = [
    ...names.slice(0, most),
    ...(names.length > most ? [`${names.length - most} more`] : []),
  ];
  const valid = batches.reduce((sum, { tokens }) => sum + tokens.valid, 0);
  return [
    `## ${mark} attn-diff: ${verdictLead(report)}`,
    '',
    ...configurationLines(report),
    sentences(foundSentence(report)),
    '',
    `${code(model.path)}: ${others.join(', ') || 'nothing'} against ${code(reference)} on ${plural(valid, 'valid token')} in ${plural(batches.length, 'batch', 'batches')}${shard === null ? '' : `, part ${shard.index} of ${shard.count}`}.`,
    ...(verdict.passed ? ['', sentences(checkedText(verdict.checks))] : []),
  ];
}

function configurationLines(report: DiffReport): string[] {
  const line = configurationLine(report);
  return line === null ? [] : [`${isSuspect(report) ? '**!** ' : ''}${sentences(`${line}.`)}`, ''];
}

/** Checks that were missed: those that fail the run, and the others. A finding that fails it is named here and told below. */
function problems(report: DiffReport, cutting: Cut): string[][] {
  const missed = issues(report).filter(({ about }) => about === 'check');
  const findings = report.verdict.checks.filter(
    ({ name, level, passed }) => name === 'finding' && level === 'error' && !passed,
  );
  const failed = [
    ...missed.filter(({ level }) => level === 'error'),
    ...findings.map((check) => ({
      code: check.name,
      implementation: check.implementation,
      text: checkSentences(check),
      command: checkCommand(check, report),
    })),
  ];
  return [
    problemLines('Failed', '✗', failed, cutting),
    problemLines(
      'Warnings',
      '!',
      missed.filter(({ level }) => level === 'warning'),
      cutting,
    ),
  ];
}

type Problem = Pick<Issue, 'code' | 'implementation' | 'text' | 'command'>;

function problemLines(
  title: string,
  mark: string,
  all: readonly Problem[],
  { most }: Cut,
): string[] {
  if (all.length === 0) return [];
  const shown = all.slice(0, most);
  const commands = [
    ...new Set(shown.flatMap(({ command }) => (command === null ? [] : [command]))),
  ];
  const short = commands.filter((command) => command.length <= LONGEST_COMMAND);
  return [
    `### ${title}`,
    '',
    ...shown.map((problem) => `- ${mark} ${led(problem)}`),
    ...leftOut(all.length - shown.length, 'check'),
    ...(short.length === 0 ? [] : ['', 'To see it again:', '', ...fenced(short, 'sh')]),
    ...(short.length === commands.length
      ? []
      : ['', 'A command that is too long to be shown here is in the JSON report.']),
  ];
}

/** The sentences with what they are about set off. */
function led({ text, code: name, implementation }: Problem): string {
  const lead = implementation === null ? name : `${name}, ${implementation}`;
  return text.startsWith(`${lead}:`)
    ? `**${inline(lead)}**${sentences(text.slice(lead.length))}`
    : sentences(text);
}

/** What came of holding the run against an earlier one, beside the checks. */
function baselineLines({ baseline }: DiffReport): string[] {
  return baseline === null
    ? []
    : [
        '### Against the baseline',
        '',
        ...comparisonSentences(baseline).map((text) => `- ${sentences(text)}`),
      ];
}

const MARKS = { fault: '✗', notice: '!', fine: '✓' } as const;

function findingLines({ findings, reference }: DiffReport, { most }: Cut): string[] {
  if (findings.length === 0) return [];
  const line = (finding: Finding): string =>
    `- ${MARKS[findingLevel(finding)]} ${sentences(findingText(finding, reference))}`;
  return [
    '### Findings',
    '',
    ...findings.slice(0, most).map(line),
    ...leftOut(findings.length - most, 'finding'),
  ];
}

function leftOut(count: number, noun: string): string[] {
  return count > 0 ? [`- and ${plural(count, `more ${noun}`)}, left out to fit`] : [];
}

function sentences(text: string): string {
  return inline(cut(text, LONGEST_SENTENCES));
}

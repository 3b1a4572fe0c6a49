import type { Check, DiffReport, Finding } from '../../types.js';
import { findingLevel, type FindingLevel } from '../../metrics/index.js';
import { actualText, checkText, measuredText, passingLimit } from '../checkText.js';
import { findingClause, findingText } from '../findingText.js';
import { heading, noteLines, prose, type Context } from './context.js';
import { formatLimit, plural } from './number.js';

const MARKS: Record<FindingLevel, string> = { fault: '✗', notice: '!', fine: '✓' };

/** The findings, a sentence or some each, the gravest first. */
export function findingsSection(report: DiffReport, context: Context): string[] {
  const { paint } = context;
  const colours = { fault: paint.red, notice: paint.yellow, fine: paint.green };
  return [
    heading('Findings', context),
    ...report.findings.flatMap((finding) => {
      const level = findingLevel(finding);
      const lines = prose(`${MARKS[level]} ${findingText(finding, report.reference)}`, context, '  ');
      return lines.map((line, index) => (index === 0 ? colours[level](line.slice(0, 1)) + line.slice(1) : line));
    }),
  ];
}

/** PASSED or FAILED in words, and each failing check with the limit that would pass. */
export function verdictSection(report: DiffReport, context: Context): string[] {
  const { paint } = context;
  const { passed, checks } = report.verdict;
  const missed = checks.filter((check) => !check.passed && check.name !== 'finding');
  const failed = checks.filter((check) => !check.passed && check.level === 'error');
  const warned = missed.filter(({ level }) => level === 'warn');
  const told = (check: Check): string[] => {
    const [mark, colour_] = check.level === 'error' ? (['✗', paint.red] as const) : (['!', paint.yellow] as const);
    return prose(`${mark} ${checkText(check, report)}`, context, '  ').map((line, index) => (index === 0 ? colour_(line.slice(0, 1)) + line.slice(1) : line));
  };
  const word = passed ? 'PASSED' : 'FAILED';
  const hasFault = report.findings.some((finding) => findingLevel(finding) === 'fault');
  const lines = prose(`${word}${passed && hasFault ? ' the gate, yet look at this' : ''}: ${clauses(report)}.`, context);
  const colour = passed ? paint.green.bold : paint.red.bold;
  return [
    ...lines.map((line, index) => (index === 0 ? colour(word) + line.slice(word.length) : line)),
    ...(passed ? [] : prose(`${failed.length} of ${plural(checks.length, 'check')} failed:`, context)),
    ...failed.flatMap(told),
    ...(warned.length > 0 ? prose(`${plural(warned.length, 'warning')}:`, context) : []),
    ...warned.flatMap(told),
    ...(passed ? noteLines(passText(checks), context) : []),
  ];
}

/**
 * What was found, in a clause for each kind of finding. Of an implementation with a fault or something to know,
 * only that is said.
 */
function clauses(report: DiffReport): string {
  const grave = report.findings.filter((finding) => findingLevel(finding) !== 'fine');
  const named = new Set(grave.map(subjectOf));
  const fine = report.findings.filter((finding) => findingLevel(finding) === 'fine' && !named.has(subjectOf(finding)));
  const subjects = new Map<string, Set<string>>();
  for (const finding of [...grave, ...fine]) {
    const clause = findingClause(finding, report.reference);
    const names = subjects.get(clause) ?? new Set();
    subjects.set(clause, names.add(subjectOf(finding)));
  }
  const said = [...subjects].map(([clause, names]) => `${[...names].join(' and ')} ${clause}`.trim());
  return said.join('; ') || 'there is nothing to report';
}

function subjectOf(finding: Finding): string {
  return 'implementation' in finding ? finding.implementation : '';
}

function passText(checks: readonly Check[]): string {
  const compared = checks.find(({ name }) => name === 'compared');
  const finite = checks.filter(({ name }) => name === 'non-finite').map(({ implementation }) => implementation);
  const measured = checks.filter((check) => passingLimit(check) !== null && check.passed);
  const groups = new Map<string, Check[]>();
  for (const check of measured) {
    const key = JSON.stringify([measuredText(check), check.expected, check.source]);
    groups.set(key, [...(groups.get(key) ?? []), check]);
  }
  const parts = [
    `${plural(compared?.actual ?? 0, 'valid token')} compared`,
    ...(finite.length > 0 ? [`no NaN or Inf in ${finite.join(', ')}`] : []),
    ...[...groups.values()].map(groupText),
  ];
  return `Checked: ${parts.join('; ')}.${measured.length > 0 ? '' : ' No threshold was set (--max-abs, --min-cosine, --max-ratio).'}`;
}

/** Checks of one limit: the limit, and the implementation that came nearest to it. */
function groupText(group: readonly Check[]): string {
  const [first, ...others] = group as [Check, ...Check[]];
  const nearest = others.reduce((near, check) => ((first.operator === '<=' ? check.actual > near.actual : check.actual < near.actual) ? check : near), first);
  const scope = first.source.kind === 'default' ? `${first.scope} ` : '';
  return `${scope}${measuredText(first)} ${first.operator === '<=' ? '≤' : '≥'} ${formatLimit(first.expected)}${first.source.kind === 'default' ? ' by default' : ''} (${actualText(nearest)}, ${nearest.implementation})`;
}

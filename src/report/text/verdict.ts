import type { Check, DiffReport, Finding } from '../../types.js';
import { findingClause, findingLevel, findingText, type FindingLevel } from '../findingText.js';
import { heading, noteLines, prose, type Context } from './context.js';
import { placeText } from './kinds.js';
import { formatCosine, formatLimit, formatNumber, limitAbove, limitBelow, plural } from './number.js';

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
  const failed = checks.filter((check) => !check.passed);
  const word = passed ? 'PASSED' : 'FAILED';
  const hasFault = report.findings.some((finding) => findingLevel(finding) === 'fault');
  const lines = prose(`${word}${passed && hasFault ? ' the gate, yet look at this' : ''}: ${clauses(report)}.`, context);
  const colour = passed ? paint.green.bold : paint.red.bold;
  return [
    ...lines.map((line, index) => (index === 0 ? colour(word) + line.slice(word.length) : line)),
    ...(passed ? [] : prose(`${failed.length} of ${plural(checks.length, 'check')} failed:`, context)),
    ...failed.flatMap((check) =>
      prose(`✗ ${failureText(check)}`, context, '  ').map((line, index) =>
        index === 0 ? paint.red(line.slice(0, 1)) + line.slice(1) : line,
      ),
    ),
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
  const limits = checks.flatMap(({ name, actual, expected, implementation }) => {
    if (name === 'max-abs') return [`max|Δ| of ${implementation} ${formatNumber(actual)} ≤ ${formatLimit(expected)}`];
    if (name === 'max-ratio') return [`error ratio of ${implementation} ${formatNumber(actual)} ≤ ${formatLimit(expected)}`];
    if (name === 'min-cosine') return [`min cosine of ${implementation} ${formatCosine(actual)} ≥ ${formatLimit(expected)}`];
    return [];
  });
  const parts = [
    `${plural(compared?.actual ?? 0, 'valid token')} compared`,
    ...(finite.length > 0 ? [`no NaN or Inf in ${finite.join(', ')}`] : []),
    ...limits,
  ];
  return `Checked: ${parts.join('; ')}.${limits.length > 0 ? '' : ' No threshold was set (--max-abs, --min-cosine, --max-ratio).'}`;
}

function failureText(check: Check): string {
  const { name, actual, expected, implementation } = check;
  const where = `${placeText(check.layer, check.tap)}, ${check.scope}, batch ${check.batch}`;
  const noLimit = 'No limit lets NaN or Inf pass.';
  switch (name) {
    case 'compared':
      return 'compared: no valid token was compared with the reference, and comparing nothing is a failure. Name a second implementation (--impl), or give prompts that hold text.';
    case 'completed':
      return `completed, ${implementation}: it did not run to its end (see the findings). Leave it out of --impl to pass without it.`;
    case 'kernel':
      return `kernel, ${implementation}: it is not shown to have run the kernel that it asks for (--require-kernel; see the implementations above). Ask for the kernel that runs, or drop --require-kernel.`;
    case 'non-finite':
      return `non-finite, ${implementation}: ${plural(actual, 'NaN or Inf element')} on valid tokens, the first at ${where}; 0 are allowed. Only --fail-on none lets them pass.`;
    case 'max-abs':
      return `max-abs, ${implementation}: ${formatNumber(actual)} at ${where}; the limit is ${formatLimit(expected)}. ${
        Number.isFinite(actual) ? `Smallest limit that passes: --max-abs ${limitAbove(actual)}` : noLimit
      }`;
    case 'max-ratio':
      return `max-ratio, ${implementation}: its error against exact is ${formatNumber(actual)} times that of eager at the same precision, at ${where}; the limit is ${formatLimit(expected)}. ${
        Number.isFinite(actual) ? `Smallest limit that passes: --max-ratio ${limitAbove(actual)}` : 'No limit lets this pass.'
      }`;
    case 'min-cosine':
      return `min-cosine, ${implementation}: ${formatCosine(actual)} at ${where}; the limit is ${formatLimit(expected)}. ${
        Number.isFinite(actual) ? `Largest limit that passes: --min-cosine ${limitBelow(actual)}` : noLimit
      }`;
  }
}

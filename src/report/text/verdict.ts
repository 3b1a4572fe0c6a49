import type { Check, DiffReport } from '../../types.js';
import { findingLevel, type FindingLevel } from '../../metrics/index.js';
import { checkArguments, checkSentences } from '../checkText.js';
import { commandLines } from '../commandText.js';
import { findingText } from '../findingText.js';
import { checkedText, verdictSentence, verdictWord } from '../verdictText.js';
import { heading, noteLines, prose, type Context } from './context.js';
import { plural } from './number.js';

const MARKS: Record<FindingLevel, string> = { fault: '✗', notice: '!', fine: '✓' };

const INDENT = '  ';
const AGAIN = `${INDENT}Again: `;

/** The findings, a sentence or some each, the gravest first. */
export function findingsSection(report: DiffReport, context: Context): string[] {
  const { paint } = context;
  const colours = { fault: paint.red, notice: paint.yellow, fine: paint.green };
  return [
    heading('Findings', context),
    ...report.findings.flatMap((finding) => {
      const level = findingLevel(finding);
      const lines = prose(
        `${MARKS[level]} ${findingText(finding, report.reference)}`,
        context,
        '  ',
      );
      return lines.map((line, index) =>
        index === 0 ? colours[level](line.slice(0, 1)) + line.slice(1) : line,
      );
    }),
  ];
}

/** PASSED or FAILED in words, and each failing check with the limit that would pass and the command that shows it again, which a shell takes as it is. */
export function verdictSection(report: DiffReport, context: Context): string[] {
  const { paint } = context;
  const { passed, checks } = report.verdict;
  const missed = checks.filter((check) => !check.passed && check.name !== 'finding');
  const failed = checks.filter((check) => !check.passed && check.level === 'error');
  const warned = missed.filter(({ level }) => level === 'warn');
  const told = (check: Check): string[] => {
    const [mark, colour_] =
      check.level === 'error' ? (['✗', paint.red] as const) : (['!', paint.yellow] as const);
    const sentences = prose(`${mark} ${checkSentences(check)}`, context, INDENT).map(
      (line, index) => (index === 0 ? colour_(line.slice(0, 1)) + line.slice(1) : line),
    );
    const [command, ...continued] = commandLines(
      checkArguments(check, report),
      context.width - AGAIN.length,
      `${INDENT}${INDENT}`,
    );
    return [...sentences, `${AGAIN}${command}`, ...continued];
  };
  const word = verdictWord(report.verdict);
  const lines = prose(verdictSentence(report), context);
  const colour = passed ? paint.green.bold : paint.red.bold;
  return [
    ...lines.map((line, index) => (index === 0 ? colour(word) + line.slice(word.length) : line)),
    ...(passed
      ? []
      : prose(`${failed.length} of ${plural(checks.length, 'check')} failed:`, context)),
    ...failed.flatMap(told),
    ...(warned.length > 0 ? prose(`${plural(warned.length, 'warning')}:`, context) : []),
    ...warned.flatMap(told),
    ...(passed ? noteLines(checkedText(checks), context) : []),
  ];
}

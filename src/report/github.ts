import type { DiffReport } from '../types.js';
import { configurationLine, isSuspect } from './configurationText.js';
import { issues, type Issue } from './issues.js';
import { plural } from './text/number.js';
import { printable, truncate } from './text/width.js';
import { checkedText, verdictSentence } from './verdictText.js';

/** What GitHub keeps of one step: so many annotations of each level, so many characters of a message. */
const MOST_ANNOTATIONS = 10;
const LONGEST_MESSAGE = 4096;

const COMMANDS = { error: 'error', warning: 'warning', note: 'notice' } as const;
type Level = keyof typeof COMMANDS;

interface Annotation {
  level: Level;
  title: string;
  message: string;
}

/**
 * The report as workflow commands of GitHub Actions, one a line, which become annotations: an error for each check that
 * fails the run, a warning for each other one and for faults, notices for what is to be known, and a notice of the
 * verdict. A configuration comes first of all, then the gravest; of more than ten of a level the tenth names the rest.
 */
export function githubReport(report: DiffReport): string {
  const all = issues(report).map(annotationOf);
  const { verdict } = report;
  const outcome: Annotation = {
    level: 'note',
    title: 'attn-diff',
    message: [
      verdictSentence(report),
      ...(verdict.passed ? [checkedText(verdict.checks)] : []),
    ].join(' '),
  };
  const configuration = configurationLine(report);
  const first: Annotation[] =
    configuration === null
      ? []
      : [
          {
            level: isSuspect(report) ? 'warning' : 'note',
            title: 'attn-diff',
            message: `${configuration}.`,
          },
        ];
  const levels = Object.keys(COMMANDS) as Level[];
  const shown = levels.flatMap((level) =>
    fitting(
      level,
      [...first, ...(level === 'note' ? [outcome] : []), ...all].filter(
        (each) => each.level === level,
      ),
    ),
  );
  return [...first, ...shown.filter((each) => !first.includes(each))]
    .map((annotation) => `${workflowCommand(annotation)}\n`)
    .join('');
}

function annotationOf({ level, title, implementation, text, command }: Issue): Annotation {
  return {
    level,
    title: `attn-diff: ${title}${implementation === null ? '' : `: ${implementation}`}`,
    message: `${text}${command === null ? '' : ` Again: ${command}`}`,
  };
}

/** As many as are shown. */
function fitting(level: Level, all: readonly Annotation[]): Annotation[] {
  if (all.length <= MOST_ANNOTATIONS) return [...all];
  const rest = all.slice(MOST_ANNOTATIONS - 1);
  const names = rest.map(({ title }) => title.replace(/^attn-diff: /, ''));
  return [
    ...all.slice(0, MOST_ANNOTATIONS - 1),
    {
      level,
      title: `attn-diff: ${plural(rest.length, `more ${COMMANDS[level]}`)}`,
      message: `Not shown one by one, since GitHub shows ${MOST_ANNOTATIONS} of a step: ${names.join('; ')}. The report has them all.`,
    },
  ];
}

/** `::error title=…::…`, as the runner takes it apart again. */
export function workflowCommand({ level, title, message }: Annotation): string {
  return `::${COMMANDS[level]} title=${escapeProperty(printable(title))}::${escapeData(truncate(printable(message), LONGEST_MESSAGE))}`;
}

function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}

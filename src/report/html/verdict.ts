import { findingLevel, overallEffects, type FindingLevel } from '../../metrics/index.js';
import type { DiffReport, Finding } from '../../types.js';
import { comparisonSentences } from '../baselineText.js';
import { shareText } from '../causeText.js';
import { checkCommand, checkSentences } from '../checkText.js';
import { findingText } from '../findingText.js';
import { issues, type Issue } from '../issues.js';
import { hasEffects } from '../outputText.js';
import { klText } from '../text/effects.js';
import {
  changeText,
  conclusion,
  explanationGroups,
  noteText,
  recommendationFacts,
} from '../text/explain.js';
import { labelText, placeText } from '../text/kinds.js';
import { formatCount, formatNumber, formatSigned, plural } from '../text/number.js';
import { checkedText, verdictSentence, verdictWord } from '../verdictText.js';
import { isBeyond, overviews, type Overview } from '../worst.js';
import { html, type Markup } from './markup.js';
import {
  codeMarkup,
  details,
  factList,
  tableMarkup,
  type Section,
  type TableColumn,
} from './parts.js';

const NONE = '–';
const MARKS: Readonly<Record<FindingLevel, string>> = { fault: '✗', notice: '!', fine: '✓' };
const LEVEL_WORDS: Readonly<Record<FindingLevel, string>> = {
  fault: 'fault',
  notice: 'to know',
  fine: 'fine',
};

/** How the verdict is to be taken: a run that passes may still have a fault. */
export function outcome({
  verdict,
  findings,
}: Pick<DiffReport, 'verdict' | 'findings'>): 'failed' | 'doubtful' | 'passed' {
  if (!verdict.passed) return 'failed';
  return findings.some((finding) => findingLevel(finding) === 'fault') ? 'doubtful' : 'passed';
}

/** The verdict, each check that was missed with its limit and the command that shows it again, and an overview. */
export function verdictPart(report: DiffReport): Section {
  const { verdict } = report;
  const word = verdictWord(verdict);
  const missed = issues(report).filter(({ about }) => about === 'check');
  const findings = verdict.checks.filter(
    ({ name, level, passed }) => name === 'finding' && level === 'error' && !passed,
  );
  const failed = [
    ...missed.filter(({ level }) => level === 'error'),
    ...findings.map((check) => ({
      text: checkSentences(check),
      command: checkCommand(check, report),
    })),
  ];
  return {
    id: 'verdict',
    title: 'Verdict',
    body: html`<p class="verdict ${outcome(report)}"><strong>${word}</strong>${verdictSentence(report).slice(word.length)}</p>
${verdict.passed ? html`<p class="note">${checkedText(verdict.checks)}</p>\n` : null}${problems(`${failed.length} of ${plural(verdict.checks.length, 'check')} failed`, '✗', 'fault', failed)}${problems(
      'Warnings',
      '!',
      'notice',
      missed.filter(({ level }) => level === 'warning'),
    )}${baselineList(report)}${overview(report)}`,
  };
}

function problems(
  title: string,
  mark: string,
  level: FindingLevel,
  all: readonly Pick<Issue, 'text' | 'command'>[],
): Markup | null {
  if (all.length === 0) return null;
  const item = ({
    text,
    command,
  }: (typeof all)[number]): Markup => html`<li class="${level}"><p><span class="mark" aria-hidden="true">${mark}</span> ${text}</p>
${command === null ? null : html`<p class="label">To see it again:</p>\n${codeMarkup(command, 'Command that shows it again')}`}</li>
`;
  return html`<h3>${title}</h3>
<ul class="items">
${all.map(item)}</ul>
`;
}

function baselineList({ baseline }: DiffReport): Markup | null {
  return baseline === null
    ? null
    : html`<h3>Against the baseline</h3>
<ul>${comparisonSentences(baseline).map((sentence) => html`<li>${sentence}</li>\n`)}</ul>
`;
}

function overview(report: DiffReport): Markup {
  const { reference } = report;
  const effects = new Map(overallEffects(report.effects).map((row) => [row.implementation, row]));
  const base = effects.get(reference);
  const compared = (
    head: string,
    cell: (line: Overview) => string,
    isOver = (_: Overview): boolean => false,
  ): TableColumn<Overview> => ({
    head,
    align: 'right',
    cell: (line) => (line.implementation === reference ? NONE : cell(line)),
    isOver: (line) => line.implementation !== reference && isOver(line),
  });
  const effect = (
    head: string,
    text: (row: NonNullable<typeof base>) => string,
  ): TableColumn<Overview> =>
    compared(head, ({ implementation }) => {
      const row = effects.get(implementation);
      return row === undefined || row.targets === 0 ? NONE : text(row);
    });
  const worst = ({ relL2, layer, tap }: NonNullable<Overview['local']>, isLocal: boolean): string =>
    `${formatNumber(relL2)} (${placeText(layer, isLocal ? null : tap)})`;
  return html`<h3>By implementation</h3>
${tableMarkup(
  'The worst on valid tokens, of all layers and batches; *: the reference; bold: more than rounding explains. NaN and Inf: elements in its own stream.',
  [
    {
      head: 'implementation',
      cell: ({ implementation }) => labelText(implementation, implementation === reference),
    },
    compared(
      'local rel L2',
      ({ local }) => (local ? worst(local, true) : NONE),
      ({ local, rounding }) => isBeyond(local, rounding.local),
    ),
    compared(
      'accumulated rel L2',
      ({ accumulated }) => (accumulated ? worst(accumulated, false) : NONE),
      ({ accumulated, rounding }) => isBeyond(accumulated, rounding.accumulated),
    ),
    {
      head: 'NaN, Inf on valid',
      align: 'right',
      cell: ({ nonFinite, isMeasured }) => (isMeasured ? formatCount(nonFinite.valid) : NONE),
      isOver: ({ nonFinite }) => nonFinite.valid !== 0,
    },
    {
      head: 'on padding',
      align: 'right',
      cell: ({ nonFinite, isMeasured }) => (isMeasured ? formatCount(nonFinite.others) : NONE),
    },
    ...(hasEffects(report)
      ? [
          effect('Δ loss', ({ loss }) => formatSigned(loss - (base?.loss ?? NaN))),
          effect('KL', ({ kl }) => klText(kl)),
          effect(
            'flips',
            ({ flips, targets }) => `${formatCount(flips)} of ${formatCount(targets)}`,
          ),
        ]
      : []),
  ],
  overviews(report),
)}`;
}

/** Each finding with its evidence and what to do, then what was tried to find causes, then what to use. */
export function findingsPart(report: DiffReport): Section {
  const item = (finding: Finding): Markup => {
    const level = findingLevel(finding);
    const subject =
      'implementation' in finding
        ? html` <span class="subject">${finding.implementation}</span>`
        : null;
    return html`<li class="${level}"><p class="label"><span class="mark" aria-hidden="true">${MARKS[level]}</span> <span class="visually-hidden">${LEVEL_WORDS[level]}: </span><code>${finding.code}</code>${subject}</p>
<p>${findingText(finding, report.reference)}</p></li>
`;
  };
  return {
    id: 'findings',
    title: 'Findings',
    body: html`<ul class="items">
${report.findings.map(item)}</ul>
${explanationGroups(report).map((group) => explanationMarkup(report, group))}<h3>Recommendation</h3>
${factList(recommendationFacts(report))}`,
  };
}

function explanationMarkup(report: DiffReport, group: DiffReport['explanations']): Markup {
  const { implementation, batch } = group[0]!;
  const tables = group.map(({ layer, relL2, factors }) =>
    tableMarkup(
      `Layer ${layer}: relative L2 ${formatNumber(relL2)} before any change`,
      [
        { head: 'change', cell: changeText },
        { head: 'rel L2', align: 'right', cell: (factor) => formatNumber(factor.relL2) },
        { head: 'explained', align: 'right', cell: ({ explained }) => shareText(explained) },
      ],
      factors,
    ),
  );
  return details(
    `What was tried to explain ${implementation}, batch ${batch}`,
    html`<p>${conclusion(report, group)}</p>
<p class="note">${noteText(group[0]!)}</p>
${tables}`,
  );
}

import type { DiffReport, Explanation } from '../../types.js';
import { shareText } from '../causeText.js';
import {
  changeText,
  conclusion,
  explanationGroups,
  noteText,
  recommendationFacts,
  shownFactors,
} from '../text/explain.js';
import { formatNumber, plural } from '../text/number.js';
import { details, inline, markdownTable } from './escape.js';
import type { Cut } from './tables.js';

/** Which implementation to use; of `attn-diff explain`, and where something speaks against one. Of each label `most` lines. */
export function recommendationLines(report: DiffReport, { most }: Cut): string[] {
  const { command, recommendation } = report;
  if (command[0] !== 'explain' && recommendation.against.length === 0) return [];
  const facts = recommendationFacts({
    ...report,
    recommendation: { ...recommendation, against: recommendation.against.slice(0, most) },
  });
  const rest = recommendation.against.length - most;
  let label = '';
  const lines = facts.map(([name, value]) => {
    label = name || label;
    return `- ${label}: ${inline(value)}`;
  });
  return [
    '### Recommendation',
    '',
    ...lines,
    ...(rest > 0
      ? [
          `- and ${plural(rest, 'more implementation')} that something speaks against, left out to fit`,
        ]
      : []),
  ];
}

/** Explanations, and layers of each, that take no room from what was measured. */
const MOST_EXPLAINED = 4;

/**
 * What was changed to find causes, and how much that explains: a folded part for each implementation and batch. Where
 * there are many, the first.
 */
export function explanationLines(report: DiffReport, cutting: Cut): string[] {
  const most = Math.min(cutting.most, MOST_EXPLAINED);
  const groups = explanationGroups(report);
  const parts = groups.slice(0, most).map((group) => {
    const { implementation, batch } = group[0]!;
    const rest = group.length - most;
    return details(`What was tried to explain ${inline(`${implementation}, batch ${batch}`)}`, [
      inline(conclusion(report, group)),
      '',
      inline(noteText(group[0]!)),
      ...group.slice(0, most).flatMap(layerLines),
      ...(rest > 0
        ? ['', `${plural(rest, 'more layer')}, left out to fit; the JSON report has all.`]
        : []),
    ]);
  });
  const rest = groups.length - parts.length;
  return [
    ...parts.flatMap((lines, i) => (i === 0 ? lines : ['', ...lines])),
    ...(rest > 0
      ? ['', `${plural(rest, 'more explanation')}, left out to fit; the JSON report has all.`]
      : []),
  ];
}

function layerLines(explanation: Explanation): string[] {
  const shown = shownFactors(explanation);
  const left = explanation.factors.length - shown.length;
  const columns = [
    { head: 'change' },
    { head: 'rel L2', align: 'right' as const },
    { head: 'explained', align: 'right' as const },
  ];
  return [
    '',
    `Layer ${explanation.layer}: relative L2 ${formatNumber(explanation.relL2)} before any change`,
    ...(shown.length === 0
      ? []
      : [
          '',
          ...markdownTable(
            columns,
            shown.map((factor) => [
              inline(changeText(factor)),
              formatNumber(factor.relL2),
              shareText(factor.explained),
            ]),
          ),
        ]),
    ...(left > 0
      ? ['', `${plural(left, 'other change')} explained less; the JSON report has them.`]
      : []),
  ];
}

import { findingLevel } from '../metrics/index.js';
import type { Check, DiffReport, Finding, Verdict } from '../types.js';
import { actualText, measuredText, passingLimit } from './checkText.js';
import { findingClause } from './findingText.js';
import { listText } from './listText.js';
import { shardSentences } from './shardText.js';
import { formatLimit, plural } from './text/number.js';

/** The first word of the verdict. */
export function verdictWord({ passed }: Pick<Verdict, 'passed'>): 'PASSED' | 'FAILED' {
  return passed ? 'PASSED' : 'FAILED';
}

/** The verdict up to what was found: a run that passes with a fault says so. */
export function verdictLead({
  verdict,
  findings,
}: Pick<DiffReport, 'verdict' | 'findings'>): string {
  const hasFault = findings.some((finding) => findingLevel(finding) === 'fault');
  return `${verdictWord(verdict)}${verdict.passed && hasFault ? ' the gate, yet look at this' : ''}`;
}

/** What was found, in one sentence: `flash parted from eager at layer 3 by more than rounding.`; of a shard, what it is too. */
export function foundSentence(
  report: Pick<DiffReport, 'findings' | 'reference' | 'shard' | 'batches'>,
): string {
  return `${clauses(report)}.${report.shard ? ` ${shardSentences(report.shard, report.batches)}` : ''}`;
}

/** Both in one: `FAILED: flash parted from eager at layer 3 by more than rounding.` */
export function verdictSentence(
  report: Pick<DiffReport, 'verdict' | 'findings' | 'reference' | 'shard' | 'batches'>,
): string {
  return `${verdictLead(report)}: ${foundSentence(report)}`;
}

/**
 * What was found, in a clause for each kind of finding. Of an implementation with a fault or something to know,
 * only that is said.
 */
function clauses(report: Pick<DiffReport, 'findings' | 'reference'>): string {
  // What the file would do in training is no result of the run.
  const grave = report.findings.filter(
    (finding) => findingLevel(finding) !== 'fine' && finding.code !== 'guarded-inf-mask',
  );
  const named = new Set(grave.map(subjectOf));
  const fine = report.findings.filter(
    (finding) => findingLevel(finding) === 'fine' && !named.has(subjectOf(finding)),
  );
  const subjects = new Map<string, Set<string>>();
  for (const finding of [...grave, ...fine]) {
    const clause = findingClause(finding, report.reference);
    const names = subjects.get(clause) ?? new Set();
    subjects.set(clause, names.add(subjectOf(finding)));
  }
  const said = [...subjects].map(([clause, names]) => `${listText([...names])} ${clause}`.trim());
  return said.join('; ') || 'there is nothing to report';
}

function subjectOf(finding: Finding): string {
  return 'implementation' in finding ? finding.implementation : '';
}

/** What the checks of a run that passed have held it to: `Checked: 82 valid tokens compared; …` */
export function checkedText(checks: readonly Check[]): string {
  if (checks.length === 0) return 'Nothing was checked, there being no batch.';
  const compared = checks.find(({ name }) => name === 'compared');
  const finite = checks
    .filter(({ name }) => name === 'non-finite')
    .map(({ implementation }) => implementation);
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
    ...regressionTexts(checks),
  ];
  return `Checked: ${parts.join('; ')}.${measured.length > 0 ? '' : ' No threshold was set (--max-abs, --min-cosine, --max-ratio).'}`;
}

/** For each baseline that nothing has regressed from: `nothing regressed from base.json`. */
function regressionTexts(checks: readonly Check[]): string[] {
  const paths = checks.flatMap(({ source, passed }) =>
    source.kind === 'baseline' && passed ? [source.path] : [],
  );
  return [...new Set(paths)].map((path) => `nothing regressed from ${path}`);
}

/** Checks of one limit: the limit, and the implementation that came nearest to it. */
function groupText(group: readonly Check[]): string {
  const [first, ...others] = group as [Check, ...Check[]];
  const nearest = others.reduce(
    (near, check) =>
      (first.operator === '<=' ? check.actual > near.actual : check.actual < near.actual)
        ? check
        : near,
    first,
  );
  const scope = first.source.kind === 'default' ? `${first.scope} ` : '';
  return `${scope}${measuredText(first)} ${first.operator === '<=' ? '≤' : '≥'} ${formatLimit(first.expected)}${first.source.kind === 'default' ? ' by default' : ''} (${actualText(nearest)}, ${nearest.implementation})`;
}

import { create } from 'xmlbuilder2';
import { terminalText } from '../printable.js';
import type { Check, DiffReport, Finding } from '../types.js';
import { checkCommand, checkSentences, checkTitle } from './checkText.js';
import { commandText } from './commandText.js';
import { configurationLine } from './configurationText.js';
import { findingText } from './findingText.js';
import { printable } from './text/width.js';
import { verdictSentence } from './verdictText.js';

type Attributes = Record<string, string>;

interface Element {
  name: string;
  attributes?: Attributes;
  children?: readonly Element[];
  text?: string;
}

/** Stands for what XML 1.0 has no character for. */
const NO_CHARACTER = '\uFFFD';

/**
 * The report as JUnit XML, for CI servers: one suite with a test case for each check. A check that fails the run is a
 * `failure`, an implementation that did not run to its end an `error`, and a check of level `warn` that was missed a
 * case that passed, with the warning in its `system-out`. Names of cases hold nothing that was measured, so that a
 * server can follow a case from run to run; the times are those of the whole run.
 */
export function junitReport(report: DiffReport): string {
  const { verdict, model, timing } = report;
  const cases = named(verdict.checks, report);
  const seconds = (timing.loadSeconds + timing.runSeconds).toFixed(3);
  const counts = {
    tests: String(cases.length),
    failures: String(countOf(cases, 'failure')),
    errors: String(countOf(cases, 'error')),
  };
  const said = [
    verdictSentence(report),
    ...report.findings.map((finding) => findingText(finding, report.reference)),
  ];
  const suite: Element = {
    name: 'testsuite',
    attributes: { name: `attn-diff ${model.path}`, ...counts, skipped: '0', time: seconds },
    children: [
      { name: 'properties', children: properties(report) },
      ...cases,
      { name: 'system-out', text: said.map(printable).join('\n') },
    ],
  };
  const root = create({ version: '1.0', encoding: 'UTF-8', invalidCharReplacement: NO_CHARACTER });
  append(root, {
    name: 'testsuites',
    attributes: { name: 'attn-diff', ...counts, time: seconds },
    children: [suite],
  });
  return terminalText(`${root.end({ prettyPrint: true })}\n`);
}

function append(
  parent: ReturnType<typeof create>,
  { name, attributes = {}, children = [], text }: Element,
): void {
  const element = parent.ele(
    name,
    Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, printable(value)])),
  );
  for (const child of children) append(element, child);
  if (text !== undefined) element.txt(text);
}

function countOf(cases: readonly Element[], kind: string): number {
  return cases.filter(({ children }) => children?.some(({ name }) => name === kind)).length;
}

/** One case a check; a name that comes again is numbered, since servers tell cases apart by their names. */
function named(checks: readonly Check[], report: DiffReport): Element[] {
  const seen = new Map<string, number>();
  return checks.map((check) => {
    const classname = `attn-diff.${report.model.path}.${check.name === 'compared' ? 'run' : check.implementation}`;
    const title = checkTitle(check);
    const key = `${classname}\n${title}`;
    const number = (seen.get(key) ?? 0) + 1;
    seen.set(key, number);
    return {
      name: 'testcase',
      attributes: { name: number === 1 ? title : `${title} #${number}`, classname, time: '0' },
      children: check.passed ? [] : [outcome(check, report)],
    };
  });
}

function outcome(check: Check, report: DiffReport): Element {
  const [summary, ...details] = told(check, report).map(printable) as [string, ...string[]];
  const text = [summary, ...details].join('\n');
  if (check.level === 'warn') return { name: 'system-out', text: `Warning: ${text}` };
  const failure =
    check.name === 'completed'
      ? report.implementations.find(({ name }) => name === check.implementation)?.failure
      : null;
  return {
    name: failure ? 'error' : 'failure',
    attributes: { type: failure?.kind ?? check.subject ?? check.name, message: summary },
    text,
  };
}

/** What is wrong, and then, each on a line of its own, what there is to it. */
function told(check: Check, report: DiffReport): string[] {
  const findings = report.findings
    .filter((finding) => isAbout(finding, check))
    .map((finding) => findingText(finding, report.reference));
  return [
    ...(check.name === 'finding' && findings.length > 0 ? [] : [checkSentences(check)]),
    ...findings,
    `Again: ${checkCommand(check, report)}`,
  ];
}

/** Whether a finding says what a check is about. */
function isAbout(finding: Finding, { name, subject, implementation, batch }: Check): boolean {
  if (!('implementation' in finding)) return name === 'finding' && subject === finding.code;
  if (finding.implementation !== implementation) return false;
  if (name === 'completed') return finding.code === 'implementation-failed';
  if (name === 'non-finite')
    return finding.code === 'non-finite' || finding.code === 'score-overflow';
  return (
    name === 'finding' &&
    subject === finding.code &&
    (!('batch' in finding) || finding.batch === batch)
  );
}

function properties(report: DiffReport): Element[] {
  const { model, reference, command, environment, implementations, shard } = report;
  const configuration = configurationLine(report);
  const entries: [string, string][] = [
    ...(configuration === null
      ? []
      : [['configuration', configuration.replace(/^configuration: /, '')] as [string, string]]),
    ['command', commandText(command)],
    ['model', model.path],
    ['model.sha256', model.sha256],
    ['reference', reference],
    ...implementations.map(({ name, kernel, provider, proof }): [string, string] => [
      `kernel.${name}`,
      `${kernel} on ${provider}, ${proof}`,
    ]),
    ...(shard === null ? [] : [['shard', `${shard.index}/${shard.count}`] as [string, string]]),
    ...Object.entries(environment).flatMap(([name, value]): [string, string][] =>
      value === null ? [] : [[`environment.${name}`, String(value)]],
    ),
  ];
  return entries.map(([name, value]) => ({ name: 'property', attributes: { name, value } }));
}

import { findingLevel } from '../metrics/index.js';
import type { Check, DiffReport, Finding } from '../types.js';
import { checkCommand, checkSentences, checkTitle } from './checkText.js';
import { findingText } from './findingText.js';

/** Something that a CI server is to show of its own: a check that was missed, or a finding that is more than fine. */
export interface Issue {
  /** `error` fails the run, `warning` does not, `note` is to be known. */
  level: 'error' | 'warning' | 'note';
  about: 'check' | 'finding';
  /** Name of the check, or code of the finding. */
  code: string;
  /** What it is, without what was measured: the same in every run. */
  title: string;
  /** Null where it is about the run or the model. */
  implementation: string | null;
  layer: number | null;
  /** `logits` and the like; null where it is about no tensor. */
  tap: string | null;
  batch: string | null;
  /** Sentences on one line. */
  text: string;
  /** What shows it again; null where nothing does. */
  command: string | null;
}

const LEVELS = ['error', 'warning', 'note'] as const;
/** Without these nothing else of the run means much. */
const GRAVEST: readonly string[] = ['compared', 'completed', 'non-finite', 'kernel'];

/** What is wrong, the gravest first: by level; then what makes the rest meaningless; findings; limits by how far they were missed. */
export function issues(report: DiffReport): Issue[] {
  const missed = report.verdict.checks
    .filter((check) => !check.passed && check.name !== 'finding')
    .toSorted(compareChecks);
  const all = [
    ...missed.filter(({ name }) => GRAVEST.includes(name)).map(ofCheck),
    ...report.findings.flatMap(ofFinding),
    ...missed.filter(({ name }) => !GRAVEST.includes(name)).map(ofCheck),
  ];
  return all.toSorted((a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level));

  function ofCheck(check: Check): Issue {
    const { name, level, implementation, layer, tap, batch } = check;
    return {
      level: level === 'warn' ? 'warning' : 'error',
      about: 'check',
      code: name,
      title: checkTitle(check),
      implementation: name === 'compared' ? null : implementation,
      layer,
      tap,
      batch,
      text: checkSentences(check),
      command: checkCommand(check, report),
    };
  }

  function ofFinding(finding: Finding): Issue[] {
    const level = levelOf(finding, report);
    if (level === null) return [];
    return [
      {
        level,
        about: 'finding',
        code: finding.code,
        title: finding.code,
        implementation: 'implementation' in finding ? finding.implementation : null,
        layer: layerOf(finding),
        tap: 'tap' in finding ? finding.tap : null,
        batch: 'batch' in finding ? finding.batch : null,
        text: findingText(finding, report.reference),
        command: null,
      },
    ];
  }
}

function layerOf(finding: Finding): number | null {
  if ('layer' in finding) return finding.layer;
  return 'layers' in finding ? (finding.layers[0] ?? null) : null;
}

/** A finding counts as its own check says; a fault without one as the checks of its implementation came out. */
function levelOf(finding: Finding, { verdict }: DiffReport): Issue['level'] | null {
  const implementation = 'implementation' in finding ? finding.implementation : null;
  const own = verdict.checks.find(
    (check) =>
      check.name === 'finding' &&
      check.subject === finding.code &&
      (implementation === null || check.implementation === implementation),
  );
  if (own) return own.level === 'warn' ? 'warning' : 'error';
  if (findingLevel(finding) === 'fault') {
    const failed = verdict.checks.some(
      (check) =>
        !check.passed &&
        check.level === 'error' &&
        (implementation === null || check.implementation === implementation),
    );
    return failed ? 'error' : 'warning';
  }
  return findingLevel(finding) === 'notice' ? 'note' : null;
}

function compareChecks(a: Check, b: Check): number {
  return rank(a) - rank(b) || excess(b) - excess(a) || b.actual - a.actual || 0;
}

function rank({ name }: Check): number {
  return GRAVEST.indexOf(name) + 1 || GRAVEST.length + 1;
}

/** How many times its limit a number is; of a cosine its distance from 1. NaN is beyond every limit. */
function excess({ operator, actual, expected }: Check): number {
  const times = operator === '>=' ? (1 - actual) / (1 - expected) : actual / expected;
  return Number.isNaN(times) ? Infinity : Math.min(times, Number.MAX_VALUE);
}

import type { Comparison, Finding, RunDifference } from '../../types.js';
import { comparisonSentences } from '../baselineText.js';
import { checkSentences } from '../checkText.js';
import { findingClause } from '../findingText.js';
import { plural } from '../text/number.js';

const FIELDS: Readonly<Record<string, string>> = {
  attnDiff: 'attn-diff',
  onnxruntime: 'ONNX Runtime',
  node: 'Node.js',
  cpu: 'processor',
  gpu: 'GPU',
  arch: 'architecture',
  sha256: 'SHA-256',
  asked: 'asked for',
  hiddenSize: 'hidden size',
  kvHeads: 'key/value heads',
  headDim: 'head size',
  vocabSize: 'vocabulary',
  exporter: 'exported by',
  rounding: 'what rounding explains',
};

/** What a difference is about: `kernel of flash`, `model, SHA-256`. */
export function differenceTitle({
  part,
  of,
  field,
}: Pick<RunDifference, 'part' | 'of' | 'field'>): string {
  const words = FIELDS[field] ?? field;
  if (of === null) return part === 'model' ? `model, ${words}` : words;
  if (field === 'name') return part;
  return `${words} of ${part === 'batch' ? `batch ${of}` : of}`;
}

/** The two verdicts, as far as they are told: `a.json PASSED, b.json FAILED`. */
export function verdictsText({ a, b }: Comparison): string {
  const word = ({ path, passed, kind }: Comparison['a']): string =>
    `${path} ${passed === null ? `is a ${kind}, without a verdict` : passed ? 'PASSED' : 'FAILED'}`;
  return `${word(a)}; ${word(b)}.`;
}

/** Why relative L2 of one may not mean what it does in the other; null where both have one reference. */
export function referenceNote({ a, b }: Comparison): string | null {
  return a.reference === b.reference
    ? null
    : `Relative L2 is against ${a.reference} in A and against ${b.reference} in B: compare the error against exact.`;
}

/** That nothing differs, or how much of the numbers does not; null where there is nothing to say of that. */
export function sameText(comparison: Comparison, same: number): string | null {
  if (comparison.identical)
    return comparison.differences.length === 0
      ? 'The two are the same: nothing differs in what was run, and all numbers are equal, bit for bit.'
      : 'All numbers are equal, bit for bit.';
  return same === 0
    ? null
    : `Left out: ${plural(same, 'place')} where the numbers of both are equal, bit for bit.`;
}

/** What only one of the two has. */
export function onlyText({ onlyA, onlyB }: { onlyA: number; onlyB: number }): string | null {
  const parts = [
    ...(onlyA > 0 ? [`${plural(onlyA, 'row')} in A alone`] : []),
    ...(onlyB > 0 ? [`${plural(onlyB, 'row')} in B alone`] : []),
  ];
  return parts.length === 0 ? null : `Not compared: ${parts.join(', ')}.`;
}

/** The verdict on regressions: its word, what follows it, the checks that were missed and what else is told, in sentences; null where none was asked for. */
export function regressionText({ regression, b }: Comparison): {
  passed: boolean;
  word: string;
  clause: string;
  missed: string[];
  told: string[];
} | null {
  if (regression === null) return null;
  const { passed, checks, told } = regression;
  const missed = checks.filter((check) => !check.passed);
  return {
    passed,
    word: passed ? 'PASSED' : 'FAILED',
    clause: passed
      ? `nothing in ${b.path} regressed`
      : `${missed.length} of ${plural(checks.length, 'check')} failed`,
    missed: missed.map(checkSentences),
    told: comparisonSentences({ ...told, allowed: [] }),
  };
}

/** `flash stayed within rounding of eager.` */
export function clauseText(finding: Finding, reference: string): string {
  return `${'implementation' in finding ? `${finding.implementation} ` : ''}${findingClause(finding, reference)}.`;
}

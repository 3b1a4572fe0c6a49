import type { Check, GateOptions, ImplementationInfo, Row, Verdict } from '../types.js';
import { compareRows } from '../metrics/index.js';

/**
 * Holds the rows of valid tokens against the gate. Padding and fully masked tokens are never looked at.
 *
 * - `max-abs` (where `maxAbs` is set): per implementation that is not the reference, worst maxAbs ≤ maxAbs
 * - `min-cosine` (where `minCosine` is set): likewise, worst minCosine ≥ minCosine
 * - `max-ratio` (where `maxRatio` is set): per implementation, the reference included, worst ratioPlain ≤ maxRatio
 * - `non-finite` (where `failOn` is `nan`): per implementation, the reference included, NaN and Inf elements
 *   summed over taps, scopes and batches == 0; its place is the first one by layer. The local scope is left out
 *   where the reference is non-finite
 * - `completed`, always: per implementation that failed, 0 of 1; of none that ran to its end
 * - `kernel` (where `requireKernel` is set): per implementation, its kernel was confirmed: 1, else 0
 * - `compared`, always: valid tokens on which some implementation was held against the reference > 0
 *
 * The worst value is over all taps, scopes, layers and batches. NaN is the worst value, and fails whatever the limit.
 *
 * @param rows rows of every implementation
 * @param reference the label of the reference
 * @param implementations the kernels that ran, and how they ended
 */
export function judge(rows: readonly Row[], options: GateOptions, reference: string, implementations: readonly Pick<ImplementationInfo, 'name' | 'proof' | 'failure'>[] = []): Verdict {
  const valid = rows.filter((row) => row.kind === 'valid').toSorted(compareRows);
  const names = [...new Set(rows.map((row) => row.implementation))];
  const others = names.filter((name) => name !== reference);
  const rowsOf = (name: string): Row[] => valid.filter((row) => row.implementation === name);

  const checks: Check[] = [comparedCheck(valid, reference)];
  if (options.failOn === 'nan') {
    // On the Q, K, V of a reference that is itself non-finite, every kernel is: that is not the kernel's doing.
    const inherited = nonFiniteCheck(rowsOf(reference), reference).actual !== 0;
    checks.push(...names.map((name) => nonFiniteCheck(rowsOf(name).filter(({ scope }) => scope === 'accumulated' || !inherited), name)));
  }
  for (const { name, failure, proof } of implementations) {
    if (failure) checks.push(yesOrNo('completed', name, false));
    if (options.requireKernel) checks.push(yesOrNo('kernel', name, proof === 'confirmed'));
  }
  const { maxAbs, minCosine, maxRatio } = options;
  for (const name of others) {
    if (maxAbs !== undefined) checks.push(...maxAbsCheck(rowsOf(name), maxAbs));
    if (minCosine !== undefined) checks.push(...minCosineCheck(rowsOf(name), minCosine));
  }
  if (maxRatio !== undefined) checks.push(...names.flatMap((name) => maxRatioCheck(rowsOf(name), maxRatio)));
  return { passed: checks.every((check) => check.passed), checks };
}

function comparedCheck(valid: readonly Row[], reference: string): Check {
  const tokens = new Map<string, number>();
  for (const row of valid) {
    if (row.implementation !== reference) tokens.set(row.batch, Math.max(row.tokens, tokens.get(row.batch) ?? 0));
  }
  const actual = [...tokens.values()].reduce((sum, count) => sum + count, 0);
  return {
    name: 'compared',
    operator: '>',
    expected: 0,
    actual,
    layer: null,
    implementation: reference,
    tap: null,
    scope: null,
    batch: null,
    passed: actual > 0,
  };
}

function yesOrNo(name: 'completed' | 'kernel', implementation: string, passed: boolean): Check {
  return { name, operator: '==', expected: 1, actual: Number(passed), layer: null, implementation, tap: null, scope: null, batch: null, passed };
}

function nonFiniteCheck(rows: readonly Row[], implementation: string): Check {
  const actual = rows.reduce((sum, row) => sum + row.nan + row.inf, 0);
  // Not `> 0`: a count that is NaN itself is an offence too.
  const first = rows.find((row) => row.nan + row.inf !== 0);
  return {
    name: 'non-finite',
    operator: '==',
    expected: 0,
    actual,
    layer: first?.layer ?? null,
    implementation,
    tap: first?.tap ?? null,
    scope: first?.scope ?? null,
    batch: first?.batch ?? null,
    passed: actual === 0,
  };
}

function maxAbsCheck(rows: readonly Row[], limit: number): Check[] {
  const row = worstRow(rows, (candidate) => candidate.maxAbs);
  return row ? [{ name: 'max-abs', operator: '<=', expected: limit, actual: row.maxAbs, ...placeOf(row), passed: row.maxAbs <= limit }] : [];
}

function minCosineCheck(rows: readonly Row[], limit: number): Check[] {
  const row = worstRow(rows, (candidate) => -candidate.minCosine);
  return row ? [{ name: 'min-cosine', operator: '>=', expected: limit, actual: row.minCosine, ...placeOf(row), passed: row.minCosine >= limit }] : [];
}

function maxRatioCheck(rows: readonly Row[], limit: number): Check[] {
  const row = worstRow(rows, (candidate) => candidate.ratioPlain);
  return row ? [{ name: 'max-ratio', operator: '<=', expected: limit, actual: row.ratioPlain, ...placeOf(row), passed: row.ratioPlain <= limit }] : [];
}

/** The first row of the largest value; the first NaN where there is one. */
function worstRow(rows: readonly Row[], value: (row: Row) => number): Row | undefined {
  const broken = rows.find((row) => Number.isNaN(value(row)));
  if (broken) return broken;
  return rows.reduce<Row | undefined>((worst, row) => (worst && value(worst) >= value(row) ? worst : row), undefined);
}

function placeOf(row: Row): Pick<Check, 'layer' | 'implementation' | 'tap' | 'scope' | 'batch'> {
  const { layer, implementation, tap, scope, batch } = row;
  return { layer, implementation, tap, scope, batch };
}

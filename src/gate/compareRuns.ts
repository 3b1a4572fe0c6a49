import { shellQuote } from '../shellQuote.js';
import {
  COMPARE_SCHEMA,
  type ComparedEffect,
  type ComparedRow,
  type ComparedRun,
  type Comparison,
  type EffectNumbers,
  type Finding,
  type RowNumbers,
  type RunDifference,
  type Saved,
  type SavedRun,
} from '../types.js';
import { regressionChecks } from './regression.js';

/** A saved run with the file that it came from. */
export interface SavedFile extends Saved {
  path: string;
}

/**
 * Two saved runs side by side: what was run otherwise, the numbers of both by place, and which findings came and went.
 * They need have nothing in common; what only one has stands alone.
 *
 * @param factor how many times what it is in a a number of b may be; null where that is not asked. Not a difference in
 *   what was run, but only a number, makes it fail
 */
export function compareRuns(a: SavedFile, b: SavedFile, factor: number | null): Comparison {
  const rows = paired(rowNumbers(a.run), rowNumbers(b.run)).map(
    ({ place, ...both }): ComparedRow => ({
      ...place,
      ...both,
      ratio: both.a && both.b && ratioOf(both.a.relL2, both.b.relL2),
      rounding: Math.min(...[a, b].map(({ run }) => roundingOf(run, place))),
    }),
  );
  const effects = paired(effectNumbers(a.run), effectNumbers(b.run)).map(
    ({ place, ...both }): ComparedEffect => ({ ...place, ...both }),
  );
  const regression =
    factor === null ? null : regressionChecks({ path: a.path, factor, run: a.run }, b.run);
  return {
    schema: COMPARE_SCHEMA,
    a: comparedRun(a),
    b: comparedRun(b),
    identical: [...rows, ...effects].every((each) => sameNumbers(each.a, each.b)),
    differences: runDifferences(a, b),
    rows,
    effects,
    findings: a.report && b.report && matchFindings(a.report.findings, b.report.findings),
    regression: regression && {
      passed: regression.checks.every(({ passed }) => passed),
      ...regression,
    },
  };
}

function comparedRun({ path, run, report }: SavedFile): ComparedRun {
  return {
    path,
    kind: report ? 'report' : 'baseline',
    reference: run.reference,
    passed: report && report.verdict.passed,
  };
}

function roundingOf(
  { implementations }: SavedRun,
  { implementation, scope }: Pick<ComparedRow, 'implementation' | 'scope'>,
): number {
  return implementations.find(({ name }) => name === implementation)?.rounding[scope] ?? 0;
}

/** 0/0 is 1, x/0 is Infinity; NaN where either is. */
function ratioOf(a: number, b: number): number {
  return a === 0 && b === 0 ? 1 : b / a;
}

/** Whether two have the same numbers, bit for bit; NaN is the same as NaN. */
export function sameNumbers<T extends object>(a: T | null, b: T | null): boolean {
  return (
    a !== null &&
    b !== null &&
    Object.keys(a).every((key) => Object.is(a[key as keyof T], b[key as keyof T]))
  );
}

interface Placed<P, N> {
  place: P;
  numbers: N;
}

function rowNumbers({
  rows,
}: SavedRun): Map<
  string,
  Placed<Pick<ComparedRow, 'batch' | 'layer' | 'tap' | 'scope' | 'implementation'>, RowNumbers>
> {
  return new Map(
    rows.map(({ batch, layer, tap, scope, implementation, ...numbers }) => [
      JSON.stringify([batch, layer, tap, scope, implementation]),
      { place: { batch, layer, tap, scope, implementation }, numbers },
    ]),
  );
}

function effectNumbers({
  effects,
  reference,
}: SavedRun): Map<string, Placed<Pick<ComparedEffect, 'batch' | 'implementation'>, EffectNumbers>> {
  const losses = new Map(
    effects
      .filter(({ implementation }) => implementation === reference)
      .map(({ batch, loss }) => [batch, loss]),
  );
  return new Map(
    effects.map(({ batch, implementation, ...numbers }) => [
      JSON.stringify([batch, implementation]),
      {
        place: { batch, implementation },
        numbers: { ...numbers, lossDelta: numbers.loss - (losses.get(batch) ?? NaN) },
      },
    ]),
  );
}

/** In the order of b, and after it what only a has. */
function paired<P, N>(
  a: ReadonlyMap<string, Placed<P, N>>,
  b: ReadonlyMap<string, Placed<P, N>>,
): { place: P; a: N | null; b: N | null }[] {
  return [...new Map([...b, ...a])].map(([key, { place }]) => ({
    place,
    a: a.get(key)?.numbers ?? null,
    b: b.get(key)?.numbers ?? null,
  }));
}

/** Findings of the same code on the same implementation are the same, one for one; their evidence may differ. */
function matchFindings(
  a: readonly Finding[],
  b: readonly Finding[],
): NonNullable<Comparison['findings']> {
  const left = [...a];
  const [came, stayed]: [Finding[], Finding[]] = [[], []];
  for (const finding of b) {
    const at = left.findIndex(
      (other) => other.code === finding.code && subjectOf(other) === subjectOf(finding),
    );
    if (at < 0) came.push(finding);
    else {
      left.splice(at, 1);
      stayed.push(finding);
    }
  }
  return { came, went: left, stayed };
}

function subjectOf(finding: Finding): string | null {
  return 'implementation' in finding ? finding.implementation : null;
}

type Described = Readonly<Record<string, unknown>>;

/** What is told of a run besides numbers, a field each; what only reports tell is compared where both are reports. */
function runDifferences(a: SavedFile, b: SavedFile): RunDifference[] {
  const whole = a.report && b.report ? { a: a.report, b: b.report } : null;
  const [one, other] = whole ? [whole.a, whole.b] : [a.run, b.run];
  return [
    ...fieldsOf('run', null, runFields(one), runFields(other)),
    ...fieldsOf('model', null, { ...one.model }, { ...other.model }),
    ...fieldsOf('environment', null, { ...one.environment }, { ...other.environment }),
    ...itemsOf('batch', one.batches, other.batches),
    ...itemsOf('implementation', a.run.implementations, b.run.implementations),
  ];
}

function runFields(run: SavedRun & { command?: string[] }): Described {
  return {
    ...(run.command && { command: run.command.map(shellQuote).join(' ') }),
    reference: run.reference,
  };
}

function itemsOf<T extends { name: string }>(
  part: RunDifference['part'],
  a: readonly T[],
  b: readonly T[],
): RunDifference[] {
  const names = [...new Set([...b, ...a].map(({ name }) => name))];
  return names.flatMap((name) => {
    const [then, now] = [a, b].map((items) => items.find((item) => item.name === name));
    if (!then || !now)
      return [{ part, of: name, field: 'name', a: then ? name : null, b: now ? name : null }];
    return fieldsOf(part, name, { ...then }, { ...now });
  });
}

function fieldsOf(
  part: RunDifference['part'],
  of: string | null,
  a: Described,
  b: Described,
): RunDifference[] {
  return Object.keys(b).flatMap((field): RunDifference[] => {
    const [then, now] = [valueText(a[field]), valueText(b[field])];
    return then === now ? [] : [{ part, of, field, a: then, b: now }];
  });
}

function valueText(value: unknown): string | null {
  if (value === null || value === undefined || value === '') return null;
  if (typeof value !== 'object') return String(value);
  return Object.entries(value)
    .map(([key, item]) => `${key} ${valueText(item) ?? 'none'}`)
    .join(', ');
}

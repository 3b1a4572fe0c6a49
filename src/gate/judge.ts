import type {
  Check,
  DiffReport,
  FileJudgement,
  Finding,
  GateOptions,
  Level,
  RebuildCheck,
  Row,
  Verdict,
} from '../types.js';
import { compareRows, nonFiniteRows } from '../metrics/index.js';
import { usualLevel } from '../findingCodes.js';
import { budgetChecks } from './budgets.js';
import { defaultBudgets } from './defaults.js';

/** What a verdict is made of. */
export interface Judged extends Pick<
  DiffReport,
  'rows' | 'effects' | 'findings' | 'implementations' | 'reference' | 'precision'
> {
  /** The file as it is; none where it is not to be judged. */
  file?: Pick<FileJudgement, 'label' | 'batches' | 'rows' | 'failure'>;
  /** What is the same for every token of the probe. */
  constant?: RebuildCheck['constant'];
}

const NOWHERE = {
  layer: null,
  tap: null,
  scope: null,
  batch: null,
  kind: null,
  subject: null,
} as const;

/**
 * Holds what a run found against the gate.
 *
 * - `compared`, always: valid tokens on which some implementation was held against the reference > 0; 0 where attention
 *   or logits are the same for every token, so that nothing that an implementation does would show
 * - `non-finite` (where `failOn` is `nan`): per implementation, the reference included, NaN and Inf elements on valid
 *   tokens, summed over taps and batches == 0; its place is the first one by layer. The local scope counts where it
 *   says other than the stream at the same place, and is left out where the reference is non-finite. The file's own
 *   nodes are judged too, where they ran
 * - `completed`, always: per implementation that failed, 0 of 1; of none that ran to its end; of the file's own nodes too
 * - `kernel` (where `requireKernel` is set): per implementation, its kernel was confirmed: 1, else 0
 * - budgets, those of attn-diff first: see {@link budgetChecks}
 * - `finding`: per finding whose level is not `off`, 1 of 0 allowed; of a fault it is `warn` unless told otherwise, of a
 *   wrong mask `error`
 *
 * The verdict passes where no check of level `error` is missed.
 *
 * @param isPart whether these are some of a run's batches: what the others may have to measure is then no failure here
 */
export function judge(
  { rows, effects, findings, implementations, reference, precision, file, constant = [] }: Judged,
  options: GateOptions,
  { isPart = false }: { isPart?: boolean } = {},
): Verdict {
  const valid = rows.filter((row) => row.kind === 'valid').toSorted(compareRows);
  const names = [...new Set(rows.map((row) => row.implementation))];
  const rowsOf = (name: string): Row[] => valid.filter((row) => row.implementation === name);

  const checks: Check[] = [comparedCheck(valid, reference, constant)];
  if (options.failOn === 'nan') {
    // On the Q, K, V of a reference that is itself non-finite, every kernel is: that is not the kernel's doing.
    const inherited = nonFiniteCheck(rowsOf(reference), reference).actual !== 0;
    checks.push(
      ...names.map((name) =>
        nonFiniteCheck(
          rowsOf(name).filter(({ scope }) => scope === 'accumulated' || !inherited),
          name,
        ),
      ),
    );
    if (file && file.batches.length > 0)
      checks.push(
        nonFiniteCheck(
          file.rows.filter(({ kind }) => kind === 'valid').toSorted(compareRows),
          file.label,
        ),
      );
  }
  if (file?.failure) checks.push(yesOrNo('completed', file.label, false));
  for (const { name, failure, proof } of implementations) {
    if (failure) checks.push(yesOrNo('completed', name, false));
    if (options.requireKernel) checks.push(yesOrNo('kernel', name, proof === 'confirmed'));
  }
  checks.push(
    ...budgetChecks(
      { rows, effects, reference },
      [
        ...defaultBudgets({ implementations, reference, precision }, options.defaults),
        ...options.budgets,
      ],
      isPart,
    ),
  );
  checks.push(...findings.flatMap((finding) => findingCheck(finding, reference, options.findings)));
  return { passed: checks.every(({ passed, level }) => passed || level === 'warn'), checks };
}

function comparedCheck(
  valid: readonly Row[],
  reference: string,
  constant: RebuildCheck['constant'],
): Check {
  const tokens = new Map<string, number>();
  for (const row of valid) {
    if (row.implementation !== reference)
      tokens.set(row.batch, Math.max(row.tokens, tokens.get(row.batch) ?? 0));
  }
  const actual =
    constant.length > 0 ? 0 : [...tokens.values()].reduce((sum, count) => sum + count, 0);
  return {
    ...NOWHERE,
    name: 'compared',
    level: 'error',
    operator: '>',
    expected: 0,
    actual,
    implementation: reference,
    kind: 'valid',
    subject: constant.length > 0 ? constant.join(' and ') : null,
    source: { kind: 'always' },
    passed: actual > 0,
  };
}

function yesOrNo(name: 'completed' | 'kernel', implementation: string, passed: boolean): Check {
  const source =
    name === 'kernel'
      ? ({ kind: 'flag', flag: '--require-kernel' } as const)
      : ({ kind: 'always' } as const);
  return {
    ...NOWHERE,
    name,
    level: 'error',
    operator: '==',
    expected: 1,
    actual: Number(passed),
    implementation,
    source,
    passed,
  };
}

function nonFiniteCheck(rows: readonly Row[], implementation: string): Check {
  const bad = nonFiniteRows(rows);
  const actual = bad.reduce((sum, row) => sum + row.nan + row.inf, 0);
  const { layer = null, tap = null, scope = null, batch = null } = bad[0] ?? {};
  return {
    ...NOWHERE,
    name: 'non-finite',
    level: 'error',
    operator: '==',
    expected: 0,
    actual,
    layer,
    tap,
    scope,
    batch,
    kind: 'valid',
    implementation,
    source: { kind: 'flag', flag: '--fail-on' },
    passed: actual === 0,
  };
}

function findingCheck(
  finding: Finding,
  reference: string,
  levels: Readonly<Record<string, Level>>,
): Check[] {
  const level = levels[finding.code] ?? usualLevel(finding);
  if (level === 'off') return [];
  const layer =
    'layer' in finding ? finding.layer : 'layers' in finding ? (finding.layers[0] ?? null) : null;
  return [
    {
      ...NOWHERE,
      name: 'finding',
      level,
      operator: '==',
      expected: 0,
      actual: 1,
      layer,
      subject: finding.code,
      passed: false,
      implementation: 'implementation' in finding ? finding.implementation : reference,
      batch: 'batch' in finding ? finding.batch : null,
      source: { kind: 'always' },
    },
  ];
}

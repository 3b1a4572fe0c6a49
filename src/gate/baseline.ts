import { compareRows } from '../metrics/index.js';
import type { DiffReport, HeldBaseline, SavedRun } from '../types.js';
import { regressionChecks } from './regression.js';
import { requireSameKey } from './runKey.js';

/** Why a run is not fit to hold others against. */
export type Unfit =
  | { why: 'nothing-compared' }
  | { why: 'failed'; implementations: string[] }
  | { why: 'shard'; index: number; count: number };

/** What of a report another run is held against, in an order that does not hang on how it was run. */
export function savedRun({
  model: { path: _path, ...model },
  environment,
  batches,
  reference,
  implementations,
  rows,
  effects,
}: Omit<SavedRunSource, 'shard' | 'verdict'>): SavedRun {
  const indexOf = (items: readonly { name: string }[]): Map<string, number> =>
    new Map(items.map(({ name }, index) => [name, index]));
  const [batchAt, implementationAt] = [indexOf(batches), indexOf(implementations)];
  const order = (a: Ordered, b: Ordered): number =>
    (batchAt.get(a.batch) ?? 0) - (batchAt.get(b.batch) ?? 0) ||
    (implementationAt.get(a.implementation) ?? 0) - (implementationAt.get(b.implementation) ?? 0);
  return {
    model,
    environment,
    batches: batches.map(({ source: _source, ...batch }) => batch),
    reference,
    implementations: implementations.map(
      ({
        written: _written,
        ran: _ran,
        evidence: _evidence,
        proof: _proof,
        reason: _reason,
        failure: _failure,
        ...info
      }) => info,
    ),
    rows: rows
      .filter(({ kind }) => kind === 'valid')
      .toSorted((a, b) => order(a, b) || compareRows(a, b))
      .map(({ batch, layer, tap, scope, implementation, maxAbs, relL2, exactRelL2, nan, inf }) => ({
        batch,
        layer,
        tap,
        scope,
        implementation,
        maxAbs,
        relL2,
        exactRelL2,
        nan,
        inf,
      })),
    effects: effects.toSorted(order).map(({ perplexity: _perplexity, ...effect }) => effect),
  };
}

type SavedRunSource = Pick<
  DiffReport,
  | 'model'
  | 'environment'
  | 'batches'
  | 'reference'
  | 'implementations'
  | 'rows'
  | 'effects'
  | 'shard'
  | 'verdict'
>;
type Ordered = Pick<DiffReport['effects'][number], 'batch' | 'implementation'>;

/** Why a run is not fit to be a baseline: it is a part of one, it compared nothing, or an implementation did not run to its end. Null where it is. */
export function unfit({
  shard,
  verdict,
  implementations,
}: Pick<SavedRunSource, 'shard' | 'verdict' | 'implementations'>): Unfit | null {
  if (shard) return { why: 'shard', index: shard.index, count: shard.count };
  if (verdict.checks.some(({ name, passed }) => name === 'compared' && !passed))
    return { why: 'nothing-compared' };
  const failed = implementations.filter(({ failure }) => failure !== null).map(({ name }) => name);
  return failed.length > 0 ? { why: 'failed', implementations: failed } : null;
}

/**
 * A report held against an earlier run: with the checks of that, and what they do not tell.
 *
 * @throws AttnDiffError baseline-mismatch, baseline-apart
 */
export function heldAgainst(report: DiffReport, baseline: HeldBaseline): DiffReport {
  const run = savedRun(report);
  const allowed = requireSameKey(baseline, run);
  const { verdict } = report;
  // The check of NaN and Inf is there unless --fail-on none lets them pass.
  const { checks, told } = regressionChecks(baseline, run, {
    nonFinitePasses: !verdict.checks.some(({ name }) => name === 'non-finite'),
  });
  return {
    ...report,
    baseline: { ...told, allowed },
    verdict: {
      passed: verdict.passed && checks.every(({ passed }) => passed),
      checks: [...verdict.checks, ...checks],
    },
  };
}

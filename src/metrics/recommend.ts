import {
  CAUSES,
  type Finding,
  type ImplementationInfo,
  type Recommendation,
  type Row,
} from '../types.js';
import { isReferenceAtFault } from './causes.js';
import { ROUNDING } from './divergence.js';
import { worst } from './order.js';

/** Findings that make an implementation unfit. */
const AGAINST: ReadonlySet<Finding['code']> = new Set<Finding['code']>([
  'fully-masked-nan',
  'non-finite',
  'score-overflow',
  'local-divergence',
  'kernel-fault',
  'implementation-failed',
  ...CAUSES,
]);
/** Of equally near ones, what trains with least memory and time; exact and the file's own nodes train nothing. */
const TRAINING: readonly string[] = ['flash', 'sdpa', 'eager'];
/** Those that hold the probabilities and can return them. */
const WEIGHTS: readonly string[] = ['eager'];
/** Errors up to this many times the smallest are equally near, as in flash-attention's own tests of O. */
const EQUALLY_NEAR = 2;

/**
 * Which implementation to use, judged by this run: among those that no finding speaks against, the nearest to exact.
 * How near is the worst accumulated exactRelL2 on valid tokens; those within twice the smallest, or within what fp32
 * rounding explains, are equally near, and of them flash goes before sdpa, sdpa before eager. A NaN error is not fit.
 *
 * A local divergence without a known cause speaks against the one of the two that is farther from exact.
 */
export function recommend({
  implementations,
  rows,
  findings,
  reference,
}: {
  implementations: readonly Pick<ImplementationInfo, 'name'>[];
  rows: readonly Row[];
  findings: readonly Finding[];
  reference: string;
}): Recommendation {
  const codes = new Map<string, Set<string>>();
  for (const finding of findings) {
    if (!AGAINST.has(finding.code) || !('implementation' in finding)) continue;
    const at = atFault(finding, rows, reference);
    codes.set(at, (codes.get(at) ?? new Set()).add(finding.code));
  }
  const fit = implementations.flatMap(({ name }) => {
    const errors = rows
      .filter(
        (row) => row.implementation === name && row.kind === 'valid' && row.scope === 'accumulated',
      )
      .map((row) => row.exactRelL2);
    const error = worst(errors);
    return codes.has(name) || errors.length === 0 || !Number.isFinite(error)
      ? []
      : [{ name, error }];
  });
  const best = (order: readonly string[]): string | null => {
    const candidates = fit.filter(({ name }) => order.includes(kernelOf(name)));
    const limit = Math.max(
      EQUALLY_NEAR * Math.min(...candidates.map(({ error }) => error)),
      ROUNDING.fp32,
    );
    const near = candidates
      .filter(({ error }) => error <= limit)
      .toSorted(
        (a, b) =>
          order.indexOf(kernelOf(a.name)) - order.indexOf(kernelOf(b.name)) || a.error - b.error,
      );
    return near[0]?.name ?? null;
  };
  const order = implementations.map(({ name }) => name);
  const against = [...codes].map(([implementation, found]) => ({
    implementation,
    codes: [...found],
  }));
  return {
    training: best(TRAINING),
    weights: best(WEIGHTS),
    against: against.toSorted(
      (a, b) => order.indexOf(a.implementation) - order.indexOf(b.implementation),
    ),
  };
}

function atFault(
  finding: Extract<Finding, { implementation: string }>,
  rows: readonly Row[],
  reference: string,
): string {
  return finding.code === 'local-divergence' && isReferenceAtFault(rows, { ...finding, reference })
    ? reference
    : finding.implementation;
}

/** `eager` of the label `eager:scores=fp32#2`. */
function kernelOf(label: string): string {
  return /^\w+/.exec(label)?.[0] ?? label;
}

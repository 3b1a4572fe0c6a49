import { TOKEN_KINDS, type Finding, type NonFiniteOrigin } from '../types.js';
import { jobFor, type BadTap } from './originJob.js';
import { unlessFailing } from './failure.js';
import { tapOrigin, type TapOrigin } from './originTap.js';
import { isTwin, type SecondPass } from './secondPass.js';

type Traceable = Extract<Finding, { code: 'non-finite' | 'fully-masked-nan' }>;
type Traced = Extract<Finding, { origin: NonFiniteOrigin | null }>;

const UNTRACED: TapOrigin = { origin: null, scores: null, nan: 0, inf: 0 };

const SCORE_STEPS: ReadonlySet<NonFiniteOrigin['step']> = new Set(['scores', 'scaled', 'masked']);

/**
 * Finds where NaN and Inf begin: the stream of every `non-finite` and `fully-masked-nan` finding is run once more on
 * its batch, alone, with a look at the tensors between its last finite tap and its first that is not.
 *
 * A `non-finite` finding comes back with its origin, or as `score-overflow` where scores left the range of their
 * precision. A `fully-masked-nan` stays as it is where the trace shows a softmax over nothing but masked scores, or
 * shows nothing; else it becomes one of the others. Of those that come down to one origin, that of the first kind of
 * token is kept.
 *
 * @param findings those of other codes come back as they are
 * @throws AttnDiffError execution-failed, runner-crashed
 */
export async function traceOrigins(findings: readonly Finding[], context: SecondPass): Promise<Finding[]> {
  const traced: Finding[] = [];
  for (const finding of findings) traced.push(isTraceable(finding) ? await traceOne(finding, context) : finding);
  return traced.filter((finding) => !traced.some((other) => isSaidBy(finding, other)));
}

function isTraceable(finding: Finding): finding is Traceable {
  return finding.code === 'non-finite' || finding.code === 'fully-masked-nan';
}

async function traceOne(finding: Traceable, context: SecondPass): Promise<Finding> {
  const place: BadTap = finding.code === 'non-finite' ? finding : { ...finding, tap: 'attention', scope: 'accumulated' };
  const job = jobFor(place, context);
  // What failed once on a GPU may fail again; the finding stands all the same.
  const { origin, scores, nan, inf } = await (isTwin(job.stream) ? tapOrigin(job) : unlessFailing(() => tapOrigin(job), UNTRACED));
  if (!origin || (finding.code === 'fully-masked-nan' && origin.kind === 'fully-masked')) return finding;
  const { implementation, batch, layer, tap, scope, kind } = place;
  if (scores !== null && origin.kind === 'overflow' && SCORE_STEPS.has(origin.step)) {
    const token = origin.row === null || origin.query === null ? -1 : origin.row * job.batch.length + origin.query;
    return { code: 'score-overflow', implementation, batch, batches: finding.batches, kind: job.batch.kinds[token] ?? kind, precision: scores, origin };
  }
  return finding.code === 'non-finite' ? { ...finding, origin } : { code: 'non-finite', implementation, layer, tap, scope, batch, batches: finding.batches, kind, nan, inf, origin };
}

/** Whether another finding says the same of an earlier kind of token. */
function isSaidBy(finding: Finding, other: Finding): boolean {
  if (!hasOrigin(finding) || !hasOrigin(other)) return false;
  const source = ({ code, implementation, batch, origin }: Traced): string => JSON.stringify([code, implementation, batch, origin?.layer, origin?.step, origin?.kind, origin?.node]);
  return source(finding) === source(other) && TOKEN_KINDS.indexOf(other.kind) < TOKEN_KINDS.indexOf(finding.kind);
}

function hasOrigin(finding: Finding): finding is Traced {
  return 'origin' in finding && finding.origin !== null;
}

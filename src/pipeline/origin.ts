import {
  TOKEN_KINDS,
  type BadTap,
  type Finding,
  type NonFiniteOrigin,
  type OriginAnswer,
} from '../types.js';
import { unlessFailing } from './failure.js';
import { fileStream } from './fileJudge.js';
import { jobFor } from './originJob.js';
import { tapOrigin, type TapOrigin } from './originTap.js';
import type { SecondLook } from './secondLook.js';
import { isTwin, type SecondPass } from './secondPass.js';

type Traceable = Extract<Finding, { code: 'non-finite' | 'fully-masked-nan' }>;
type Traced = Extract<Finding, { origin: NonFiniteOrigin | null }>;

const UNTRACED: TapOrigin = { origin: null, scores: null, nan: 0, inf: 0 };

const SCORE_STEPS: ReadonlySet<NonFiniteOrigin['step']> = new Set(['scores', 'scaled', 'masked']);

/**
 * Has the place traced where NaN and Inf begin, of every `non-finite` and `fully-masked-nan` finding.
 *
 * A `non-finite` finding comes back with its origin, or as `score-overflow` where scores left the range of their
 * precision. A `fully-masked-nan` stays as it is where the trace shows a softmax over nothing but masked scores, or
 * shows nothing; else it becomes one of the others. Of those that come down to one origin, that of the first kind of
 * token is kept.
 *
 * @param findings those of other codes come back as they are
 */
export async function traceOrigins(
  findings: readonly Finding[],
  look: Pick<SecondLook, 'origin'>,
): Promise<Finding[]> {
  const traced: Finding[] = [];
  for (const finding of findings)
    traced.push(
      isTraceable(finding) ? traceOf(finding, await look.origin(placeOf(finding))) : finding,
    );
  return traced.filter((finding) => !traced.some((other) => isSaidBy(finding, other)));
}

/**
 * Runs the stream of a bad tap once more on its batch, alone, with a look at the tensors between its last finite tap
 * and its first that is not.
 *
 * @throws AttnDiffError execution-failed, runner-crashed
 */
export async function originOf(place: BadTap, context: SecondPass): Promise<OriginAnswer> {
  const job = jobFor(place, asItIs(place, context));
  // What failed once on a GPU may fail again; the finding stands all the same.
  const found = await (isTwin(job.stream)
    ? tapOrigin(job)
    : unlessFailing(() => tapOrigin(job), UNTRACED));
  const { row = null, query = null } = found.origin ?? {};
  return {
    ...found,
    kind:
      row === null || query === null
        ? null
        : (job.batch.kinds[row * job.batch.length + query] ?? null),
  };
}

/** Of the file's own nodes, which ran beside the others, the run is that of the file as it is: nothing rounded. */
function asItIs({ implementation }: BadTap, context: SecondPass): SecondPass {
  const { config } = context;
  if (config.implementations.some(({ label }) => label === implementation)) return context;
  const stream = fileStream(config);
  return {
    ...context,
    config: { ...config, implementations: [stream], reference: stream.label, activations: null },
  };
}

function isTraceable(finding: Finding): finding is Traceable {
  return finding.code === 'non-finite' || finding.code === 'fully-masked-nan';
}

function placeOf(finding: Traceable): BadTap {
  const { implementation, batch, layer, kind } = finding;
  const { tap, scope } =
    finding.code === 'non-finite' ? finding : ({ tap: 'attention', scope: 'accumulated' } as const);
  return { implementation, batch, layer, tap, scope, kind };
}

function traceOf(finding: Traceable, { origin, scores, nan, inf, kind }: OriginAnswer): Finding {
  if (!origin || (finding.code === 'fully-masked-nan' && origin.kind === 'fully-masked'))
    return finding;
  const place = placeOf(finding);
  const { batches } = finding;
  if (scores !== null && origin.kind === 'overflow' && SCORE_STEPS.has(origin.step)) {
    return {
      code: 'score-overflow',
      implementation: place.implementation,
      batch: place.batch,
      batches,
      kind: kind ?? place.kind,
      precision: scores,
      origin,
    };
  }
  return finding.code === 'non-finite'
    ? { ...finding, origin }
    : { code: 'non-finite', ...place, batches, nan, inf, origin };
}

/** Whether another finding says the same of an earlier kind of token. */
function isSaidBy(finding: Finding, other: Finding): boolean {
  if (!hasOrigin(finding) || !hasOrigin(other)) return false;
  const source = ({ code, implementation, batch, origin }: Traced): string =>
    JSON.stringify([
      code,
      implementation,
      batch,
      origin?.layer,
      origin?.step,
      origin?.kind,
      origin?.node,
    ]);
  return (
    source(finding) === source(other) &&
    TOKEN_KINDS.indexOf(other.kind) < TOKEN_KINDS.indexOf(finding.kind)
  );
}

function hasOrigin(finding: Finding): finding is Traced {
  return 'origin' in finding && finding.origin !== null;
}

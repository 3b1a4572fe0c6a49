import type { History } from '../../types.js';
import { csvText } from '../csv.js';

/**
 * A history as CSV: one line for each run and implementation, under a line of names. An empty field is what was not
 * measured; what is no number is written as in {@link csvText}.
 */
export function historyCsv({ runs }: History): string {
  const lines = runs.flatMap(({ implementations, ...run }) =>
    implementations.map(({ name, failure, local, accumulated, nonFinite, effect, faults }) => ({
      time: run.time,
      label: run.label,
      model: run.model.path,
      sha256: run.model.sha256,
      attnDiff: run.attnDiff,
      setup: run.setup,
      passed: run.passed,
      failedChecks: run.failedChecks,
      reference: run.reference,
      implementation: name,
      failure,
      local: local?.relL2,
      localLimit: local?.limit,
      localBatch: local?.batch,
      localLayer: local?.layer,
      accumulated: accumulated?.relL2,
      accumulatedLimit: accumulated?.limit,
      accumulatedBatch: accumulated?.batch,
      accumulatedLayer: accumulated?.layer,
      accumulatedTap: accumulated?.tap,
      nonFinite,
      targets: effect?.targets,
      loss: effect?.loss,
      deltaLoss: effect?.deltaLoss,
      kl: effect?.kl,
      flips: effect?.flips,
      faults: faults.join(' '),
      maxScore: run.range?.maxScore,
      headroom: run.range?.headroom,
    })),
  );
  return csvText(lines, Object.keys(lines[0]!));
}

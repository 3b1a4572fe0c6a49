import { judge } from '../gate/index.js';
import { findings, kernelFindings, recommend } from '../metrics/index.js';
import type { DiffReport, Finding, GateOptions } from '../types.js';
import { explainDivergences } from './explain.js';
import { blameNodes } from './nodeDivergence.js';
import { traceOrigins } from './origin.js';
import type { SecondLook } from './secondLook.js';

/** What was measured of a run's batches. */
export interface Measured extends Pick<DiffReport, 'rows' | 'effects' | 'implementations' | 'reference'> {
  batches: readonly { name: string }[];
  /** What the file's masks say against config.json. */
  windows: readonly Finding[];
}

export type Conclusions = Pick<DiffReport, 'findings' | 'explanations' | 'recommendation' | 'verdict'>;

/**
 * Says what was measured means. What is asked of the second look, and what comes of its answers, follows from what was
 * measured alone.
 */
export async function conclude({ rows, effects, implementations, reference, batches, windows }: Measured, gate: GateOptions, look: SecondLook): Promise<Conclusions> {
  const limits = new Map(implementations.map(({ name, rounding }) => [name, rounding]));
  const seen = [...kernelFindings(implementations), ...windows, ...findings(rows, batches, [...limits.keys()], reference, (name) => limits.get(name)!)];
  const traced = await traceOrigins(seen, look);
  const placed = await blameNodes(traced, rows, look);
  const { findings: explained, explanations } = await explainDivergences({ findings: placed, rows }, look);
  return {
    findings: explained,
    explanations,
    recommendation: recommend({ implementations, rows, findings: explained, reference }),
    verdict: judge({ rows, effects, findings: explained, implementations, reference }, gate),
  };
}

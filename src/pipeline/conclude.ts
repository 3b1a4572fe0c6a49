import { judge } from '../gate/index.js';
import { findings, kernelFindings, recommend } from '../metrics/index.js';
import type { DiffReport, FileJudgement, Finding, GateOptions, RebuildCheck } from '../types.js';
import { explainDivergences } from './explain.js';
import { blameNodes } from './nodeDivergence.js';
import { traceOrigins } from './origin.js';
import type { SecondLook } from './secondLook.js';

/** What was measured of a run's batches. */
export interface Measured extends Pick<
  DiffReport,
  'rows' | 'effects' | 'implementations' | 'reference' | 'precision'
> {
  batches: readonly { name: string }[];
  /** What is wrong with the file, before anything is run. */
  ofFile: readonly Finding[];
  /** The file as it is. */
  file: FileJudgement;
  /** What is the same for every token of the probe. */
  constant: RebuildCheck['constant'];
}

export type Conclusions = Pick<
  DiffReport,
  'findings' | 'explanations' | 'recommendation' | 'verdict'
>;

/**
 * Says what the measurements mean. What is asked of the second look, and what comes of its answers, follows from what was
 * measured alone.
 *
 * Of a part of a run it asks besides what the whole may ask of that part's batches, so that the answers of all parts
 * are those that the whole needs: each question names one batch, and is the first of its kind over all batches, hence
 * over those of the part that has it.
 */
export async function conclude(
  {
    rows,
    effects,
    implementations,
    reference,
    precision,
    batches,
    ofFile,
    file,
    constant,
  }: Measured,
  { gate, look, isPart }: { gate: GateOptions; look: SecondLook; isPart: boolean },
): Promise<Conclusions> {
  // A part without batches has found nothing and missed nothing.
  if (isPart && batches.length === 0)
    return {
      findings: [],
      explanations: [],
      recommendation: { training: null, weights: null, against: [] },
      verdict: { passed: true, checks: [] },
    };
  const limits = new Map(implementations.map(({ name, rounding }) => [name, rounding]));
  // What the file would do in training comes after what the run found.
  const isNote = ({ code }: Finding): boolean => code === 'guarded-inf-mask';
  const seen = [
    ...kernelFindings(implementations),
    ...ofFile.filter((finding) => !isNote(finding)),
    ...findings(rows, batches, [...limits.keys()], reference, (name) => limits.get(name)!, {
      file,
      constant,
    }),
    ...ofFile.filter(isNote),
  ];
  const traced = await traceOrigins(seen, look);
  const placed = await blameNodes(traced, rows, look, isPart);
  const { findings: explained, explanations } = await explainDivergences(
    { findings: placed, rows },
    look,
  );
  return {
    findings: explained,
    explanations,
    recommendation: recommend({ implementations, rows, findings: explained, reference }),
    verdict: judge(
      { rows, effects, findings: explained, implementations, reference, precision, file, constant },
      gate,
      { isPart },
    ),
  };
}

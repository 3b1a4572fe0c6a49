import { CAUSES, type Cause, type Finding } from './types.js';

/** How a finding is to be taken: a fault to act on, something to know, or nothing to worry about. */
export type FindingLevel = 'fault' | 'notice' | 'fine';

const LEVEL: Readonly<Record<Finding['code'], FindingLevel>> = {
  'nothing-compared': 'fault',
  'fully-masked-nan': 'fault',
  'non-finite': 'fault',
  'score-overflow': 'fault',
  'not-comparable': 'notice',
  'local-divergence': 'fault',
  ...(Object.fromEntries(CAUSES.map((cause) => [cause, 'fault'])) as Record<Cause, 'fault'>),
  'wrong-mask': 'fault',
  'stray-cast': 'fault',
  'left-out': 'notice',
  'window-not-as-configured': 'fault',
  'propagation-only': 'notice',
  'within-rounding': 'fine',
  'kernel-fallback': 'notice',
  'implementation-failed': 'fault',
  'node-divergence': 'notice',
  'kernel-fault': 'fault',
  identical: 'fine',
  'padding-by-design': 'fine',
};

/** Every code that a finding may have. */
export const FINDING_CODES = Object.keys(LEVEL) as Finding['code'][];

/** How a finding is to be taken. */
export function findingLevel({ code }: Pick<Finding, 'code'>): FindingLevel {
  return LEVEL[code];
}

import { CAUSES, type Cause, type Finding, type Level } from './types.js';

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
  'not-as-configured': 'fault',
  'guarded-inf-mask': 'notice',
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

/** Findings that another check always goes with. */
const CHECKED_OTHERWISE: ReadonlySet<Finding['code']> = new Set<Finding['code']>([
  'nothing-compared',
  'non-finite',
  'score-overflow',
  'implementation-failed',
]);

/** Findings that make a verdict on the file wrong whatever the rows say. */
const FAILING: ReadonlySet<Finding['code']> = new Set<Finding['code']>([
  'wrong-mask',
  'not-as-configured',
]);

/** How much a finding counts in the gate where nothing else is said of it: a fault that has no check of its own is a warning, or more. */
export function usualLevel(finding: Pick<Finding, 'code'>): Level {
  if (FAILING.has(finding.code)) return 'error';
  return findingLevel(finding) === 'fault' && !CHECKED_OTHERWISE.has(finding.code) ? 'warn' : 'off';
}

/** How a finding is to be taken. */
export function findingLevel({ code }: Pick<Finding, 'code'>): FindingLevel {
  return LEVEL[code];
}

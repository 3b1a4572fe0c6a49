import type { Failure, FailureKind } from '../types.js';

/** How an implementation ended, after its name. */
export const FAILURE_CLAUSE: Readonly<Record<FailureKind, string>> = {
  crashed: 'crashed',
  'timed-out': 'did not answer in time',
  'out-of-memory': 'ran out of memory',
  error: 'was refused by ONNX Runtime',
};

/** What ended it, in the runtime's own words. */
export function failureText({ kind, problem }: Failure): string {
  if (kind === 'timed-out') return `no answer within ${problem} s.`;
  return `${problem.replaceAll(/\s+/g, ' ').replace(/[.\s]+$/, '')}.`;
}

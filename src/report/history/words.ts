import type { HistoryMark, HistoryPlace, HistoryRun } from '../../types.js';
import { placeText } from '../text/kinds.js';
import { formatCount, formatLimit, formatNumber, plural } from '../text/number.js';
import { printable } from '../text/width.js';

const FAILURE_TEXT = {
  crashed: 'it crashed',
  'timed-out': 'it timed out',
  'out-of-memory': 'it ran out of memory',
  error: 'it ended with an error',
} as const;

/** What turned, in a sentence without the run's name. */
export function markText(mark: HistoryMark, runs: readonly HistoryRun[]): string {
  const run = runs[mark.run]!;
  if (mark.kind === 'setup')
    return 'the batches, implementations or settings are others than in the run before: numbers on either side of it are not alike.';
  if (mark.kind === 'verdict')
    return mark.passed
      ? 'the verdict turned to PASSED.'
      : `the verdict turned to FAILED: ${plural(run.failedChecks, 'check')} missed.`;
  const { implementation: name } = mark;
  const told = run.implementations.find((implementation) => implementation.name === name)!;
  const first = mark.run === 0 ? 'in the first run already' : 'for the first time';
  if (mark.kind === 'failed')
    return `${name} did not run to its end, ${first}${told.failure === null ? '' : `: ${FAILURE_TEXT[told.failure]}`}.`;
  if (mark.kind === 'non-finite')
    return `${name} has NaN or Inf on valid tokens, ${first}: ${formatCount(told.nonFinite)} ${told.nonFinite === 1 ? 'element' : 'elements'}.`;
  return `${name} parts from ${run.reference} by more than rounding explains, ${first}: ${placeWords(told[mark.scope]!, mark.scope)}.`;
}

function placeWords(
  { relL2, limit, batch, layer, tap }: HistoryPlace,
  scope: 'local' | 'accumulated',
): string {
  return `${scope} relative L2 ${formatNumber(relL2)} at ${placeText(layer, tap)}, batch ${batch}, where rounding explains ${formatLimit(limit)}`;
}

/** `!` for what is worth knowing, `✗` for what has become worse, `✓` for what is well again. */
export function markSign(mark: HistoryMark): '!' | '✗' | '✓' {
  if (mark.kind === 'setup' || (mark.kind === 'beyond-rounding' && mark.scope === 'accumulated'))
    return '!';
  return mark.kind === 'verdict' && mark.passed ? '✓' : '✗';
}

/** A point in time, to the minute: `2026-11-25 07:43`. */
export function minuteText(time: string): string {
  return time.slice(0, 16).replace('T', ' ');
}

/** What a reader is told of a line that holds no run. */
export function tornText(path: string, line: number): string {
  return `${printable(path)}:${line}: this line was cut off while it was written, and is left out.`;
}

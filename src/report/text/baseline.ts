import type { DiffReport } from '../../types.js';
import { comparisonSentences } from '../baselineText.js';
import { heading, prose, type Context } from './context.js';

/** What came of holding the run against an earlier one, beside the checks in the verdict; nothing where it was held against none. */
export function baselineSection({ baseline }: DiffReport, context: Context): string[] {
  return baseline === null
    ? []
    : [
        heading('Against the baseline', context),
        ...comparisonSentences(baseline).flatMap((sentence) => prose(sentence, context, '  ')),
      ];
}

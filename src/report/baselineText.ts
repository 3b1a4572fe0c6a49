import type { Unfit } from '../gate/index.js';
import type { BaselineComparison, Tally } from '../types.js';
import { checkPlace, metricText } from './checkText.js';
import { listText } from './listText.js';
import { differenceSubject, keyValueText } from './text/keys.js';
import { plural } from './text/number.js';

/** What became of `--save-baseline`. */
export function savedText(path: string, unfit: Unfit | null): string {
  if (unfit === null) return `saved the baseline ${path}.`;
  const reasons: { [W in Unfit['why']]: (why: Extract<Unfit, { why: W }>) => string } = {
    'nothing-compared': () => 'this run compared nothing',
    failed: ({ implementations }) =>
      `${listText(implementations)} did not run to ${implementations.length === 1 ? 'its' : 'their'} end`,
    shard: ({ index, count }) => `this is part ${index} of ${count} of a run`,
  };
  return `did not save the baseline ${path}, since ${(reasons[unfit.why] as (why: Unfit) => string)(unfit)}. What was there before is unchanged.`;
}

/** What came of holding a run against a baseline beside the checks, a sentence each. */
export function comparisonSentences({
  path,
  factor,
  allowed,
  compared,
  explained,
  stillNonFinite,
  nowFinite,
  missing,
  added,
}: BaselineComparison): string[] {
  const fields = [...new Set(allowed.map(({ field }) => field))];
  const told = (tally: Tally, text: (be: 'is' | 'are') => string): string[] =>
    tally.first === null
      ? []
      : [
          `${plural(tally.count, 'number')} ${text(tally.count === 1 ? 'is' : 'are')}; the first is ${firstText(tally.first)}.`,
        ];
  return [
    `${plural(compared, 'number')} on valid tokens held against ${path}; each may be up to ${factor} times what it was, or what rounding or chance explains.`,
    ...(allowed.length === 0
      ? []
      : [
          `Let pass by --allow ${fields.join(',')}: ${allowed.map((each) => `${differenceSubject(each)} (${keyValueText(each.was)} there, ${keyValueText(each.is)} here)`).join('; ')}.`,
        ]),
    ...told(
      explained,
      () => `grew by more than ${factor} times, which rounding or chance explains`,
    ),
    ...told(stillNonFinite, (be) => `${be} NaN or infinite, as in the baseline`),
    ...told(
      nowFinite,
      (be) => `${be} finite that ${be === 'is' ? 'was' : 'were'} NaN or infinite in the baseline`,
    ),
    ...told(missing, (be) => `${be} in the baseline alone`),
    ...told(added, (be) => `${be} in this run alone`),
  ];
}

function firstText(first: NonNullable<Tally['first']>): string {
  return `${metricText(first.metric)} of ${first.implementation} at ${checkPlace({ ...first, kind: 'valid' })}`;
}

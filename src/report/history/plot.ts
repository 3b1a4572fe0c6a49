import type { HistoryMetric, HistoryRun } from '../../types.js';
import { heading, prose, type Context } from '../text/context.js';
import { plural } from '../text/number.js';
import { finiteRange, runsOf, sparkline } from '../text/sparkline.js';
import { displayWidth } from '../text/width.js';
import { PLOTTED } from './metrics.js';

const VERDICT = 'verdict';

/**
 * A metric over the runs: a line of marks for each implementation, and one of the verdicts below. Where there are more
 * runs than columns, a mark is the worst of several.
 */
export function plot(
  runs: readonly HistoryRun[],
  metric: HistoryMetric,
  context: Context,
): string[] {
  const { title, log, read, format, of } = PLOTTED[metric];
  const names = [
    ...new Set(
      runs.flatMap((run) =>
        run.implementations
          .map(({ name }) => name)
          .filter((name) => of === 'all' || (name === run.reference) === (of === 'reference')),
      ),
    ),
  ];
  const indent = Math.max(...[VERDICT, ...names].map(displayWidth)) + 2;
  const groups = runsOf(runs, Math.max(1, context.width - indent));
  const isSmallWorse = metric === 'headroom';
  const values = names.map((name) =>
    groups.map((group) =>
      worstOf(
        group.map((run) => read(run, name)),
        isSmallWorse,
      ),
    ),
  );
  if (values.flat().every((value) => value === null))
    return [heading(title, context), ...prose('Not measured in these runs.', context)];

  const range = finiteRange(values.flat().filter((value) => !log || value !== 0));
  const hasZero = log && values.flat().includes(0);
  const drawn = values.map((own) =>
    sparkline(
      log ? own.map((value) => (value === null ? null : logarithm(value, range))) : own,
      log ? logarithms(range, hasZero) : range,
      'no number',
    ),
  );
  const scale = scaleText(range, { log, hasZero, format });
  const each =
    groups[0]!.length === 1
      ? 'A mark for each run'
      : `A mark for ${plural(groups[0]!.length, 'run')}, the worst of them`;
  const row = (name: string, marks: string): string =>
    `${name}${' '.repeat(indent - displayWidth(name))}${marks}`;
  const verdicts = groups
    .map((group) => (group.every(({ passed }) => passed) ? '✓' : '✗'))
    .join('');
  return [
    heading(title, context),
    ...prose(
      `${each}: ${[...scale, ...new Set(drawn.flatMap(({ legend }) => legend))].join(', ')}.`,
      context,
    ),
    '',
    ...drawn.map(({ marks }, i) => row(names[i]!, marks)),
    row(VERDICT, verdicts),
  ];
}

/** The worst of the numbers that there are, NaN before all; null where there is none. */
function worstOf(values: readonly (number | null)[], isSmallWorse: boolean): number | null {
  const numbers = values.filter((value) => value !== null);
  if (numbers.length === 0) return null;
  // Both are NaN where any of them is.
  return isSmallWorse ? Math.min(...numbers) : Math.max(...numbers);
}

type Range = readonly [number, number] | null;

/** 0, which has none, stands as low as the smallest number, or lower where there is but one. */
function logarithms(range: Range, hasZero: boolean): [number, number] {
  const [least, most] = range ?? [1, 1];
  return [Math.log(least) - (hasZero && least === most ? 1 : 0), Math.log(most)];
}

function logarithm(value: number, range: Range): number {
  return value === 0 ? logarithms(range, true)[0] : Math.log(value);
}

/** What the lowest and the highest mark stand for. */
function scaleText(
  range: Range,
  { log, hasZero, format }: { log: boolean; hasZero: boolean; format: (value: number) => string },
): string[] {
  if (range === null) return hasZero ? ['▁ 0'] : [];
  const [least, most] = range;
  if (least === most) return hasZero ? [`▁ 0, █ ${format(most)}`] : [`▅ ${format(most)}`];
  return [
    `▁ ${format(least)}${hasZero ? ' and 0' : ''} to █ ${format(most)}${log ? ' (log scale)' : ''}`,
  ];
}

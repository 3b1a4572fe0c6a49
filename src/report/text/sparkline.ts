const BLOCKS = [...'▁▂▃▄▅▆▇█'];
const NAN = '×';
const INFINITE = '∞';
const NOTHING = '·';

/** What the marks of a sparkline stand for, those outside the range only where they occur. */
export interface Sparkline {
  marks: string;
  legend: string[];
}

/** The smallest and the largest finite number of a list; null where there is none. */
export function finiteRange(values: Iterable<number | null>): [number, number] | null {
  let range: [number, number] | null = null;
  for (const value of values) {
    if (value === null || !Number.isFinite(value)) continue;
    range = range ? [Math.min(range[0], value), Math.max(range[1], value)] : [value, value];
  }
  return range;
}

/**
 * One mark for each value: a block as high as the value stands in the range, `×` for NaN, `∞` for an infinity, `·`
 * for null, where there is no value.
 *
 * @param nothing what null means, for the legend
 */
export function sparkline(
  values: readonly (number | null)[],
  range: [number, number] | null,
  nothing = 'nothing to predict',
): Sparkline {
  const marks = values.map((value) => mark(value, range ?? [0, 0]));
  const meanings: Record<string, string> = {
    [NAN]: `${NAN} NaN`,
    [INFINITE]: `${INFINITE} infinite`,
    [NOTHING]: `${NOTHING} ${nothing}`,
  };
  return {
    marks: marks.join(''),
    legend: Object.keys(meanings)
      .filter((each) => marks.includes(each))
      .map((each) => meanings[each]!),
  };
}

function mark(value: number | null, [least, most]: [number, number]): string {
  if (value === null) return NOTHING;
  if (Number.isNaN(value)) return NAN;
  if (!Number.isFinite(value)) return INFINITE;
  const height = most > least ? (value - least) / (most - least) : 0.5;
  return BLOCKS[Math.min(BLOCKS.length - 1, Math.floor(height * BLOCKS.length))]!;
}

/** Cuts a list into at most `count` runs of neighbours, all of one length but the last. */
export function runsOf<T>(items: readonly T[], count: number): T[][] {
  const length = Math.max(1, Math.ceil(items.length / count));
  return Array.from({ length: Math.ceil(items.length / length) }, (_, i) =>
    items.slice(i * length, (i + 1) * length),
  );
}

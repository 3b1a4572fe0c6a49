import { ticks as linearTicks } from 'd3';
import { formatLimit } from '../report/text/number.js';

/** Where a number stands on an axis, and what it is there. */
export interface Placed {
  at: number;
  kind: 'number' | 'zero' | 'nan' | 'inf';
}

/** An axis that has a place for every number there is. */
export interface ValueScale {
  type: 'log' | 'linear';
  domain: [number, number];
  ticks: { at: number; text: string }[];
  place(value: number): Placed;
}

/** Ticks of an axis at most. */
const MOST_TICKS = 7;
/** What a linear axis spans at least, of its largest number. */
const SMALLEST_SPAN = 0.01;
/** What a logarithmic axis spans where nothing positive is on it. */
const EMPTY_EXPONENTS: readonly [number, number] = [-8, -6];

/**
 * An axis for these numbers: exact zeros have a place of their own below the smallest decade of a logarithmic one, NaN
 * and ±Infinity above the largest number.
 */
export function valueScale(values: readonly number[], isLog: boolean): ValueScale {
  return isLog ? logScale(values) : linearScale(values);
}

function logScale(values: readonly number[]): ValueScale {
  const exponents = values
    .filter((value) => value > 0 && value < Infinity)
    .map((value) => Math.log10(value));
  const [least, most] =
    exponents.length === 0
      ? EMPTY_EXPONENTS
      : [Math.floor(Math.min(...exponents) + 1e-9), Math.ceil(Math.max(...exponents) - 1e-9)];
  const [low, high] = [least, Math.max(most, least + 1)];
  const zero = 10 ** (low - 1);
  const top = 10 ** (high + 1);
  const step = Math.ceil((high - low + 1) / MOST_TICKS);
  const decades = Array.from(
    { length: Math.floor((high - low) / step) + 1 },
    (_, i) => 10 ** (low + i * step),
  ).map((at) => ({ at, text: formatLimit(Number(at.toPrecision(1))) }));
  const hasZero = values.some((value) => value <= 0);
  const above = nameOf(values);
  return {
    type: 'log',
    domain: [hasZero ? zero : 10 ** low, above === null ? 10 ** high : top],
    ticks: [
      ...(hasZero ? [{ at: zero, text: '0' }] : []),
      ...decades,
      ...(above === null ? [] : [{ at: top, text: above }]),
    ],
    place: (value) =>
      placed(value, top) ??
      (value <= 0 ? { at: zero, kind: 'zero' } : { at: value, kind: 'number' }),
  };
}

function linearScale(values: readonly number[]): ValueScale {
  const finite = values.filter((value) => Number.isFinite(value));
  const [least, most] = finite.length === 0 ? [0, 1] : [Math.min(...finite), Math.max(...finite)];
  // A difference that the labels could not show is no reason to stretch the axis.
  const span =
    Math.max(most - least, Math.max(Math.abs(least), Math.abs(most)) * SMALLEST_SPAN) || 1;
  const middle = (least + most) / 2;
  const [low, high] = [middle - span * 0.55, middle + span * 0.55];
  const above = nameOf(values);
  const top = high + span * 0.15;
  const inner = linearTicks(low, high, MOST_TICKS - 1).map((at) => ({
    at,
    text: formatLimit(Number(at.toPrecision(5))),
  }));
  return {
    type: 'linear',
    domain: [low, above === null ? high : top],
    ticks: [...inner, ...(above === null ? [] : [{ at: top, text: above }])],
    place: (value) => placed(value, top) ?? { at: value, kind: 'number' },
  };
}

function placed(value: number, top: number): Placed | null {
  if (Number.isNaN(value)) return { at: top, kind: 'nan' };
  return Number.isFinite(value) ? null : { at: top, kind: 'inf' };
}

/** What stands above the numbers; null where nothing does. */
function nameOf(values: readonly number[]): string | null {
  const names = [
    ...(values.some(Number.isNaN) ? ['NaN'] : []),
    ...(values.some((value) => Math.abs(value) === Infinity) ? ['Inf'] : []),
  ];
  return names.length === 0 ? null : names.join(', ');
}

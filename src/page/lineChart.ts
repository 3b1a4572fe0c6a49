import * as Plot from '@observablehq/plot';
import type { LinePoint } from './linePoint.js';
import { picture } from './picture.js';
import { labelPlaces, type Frame } from './ruleLabels.js';
import type { Series } from './series.js';
import { valueScale, type Placed } from './valueScale.js';

export interface LineChart {
  /** What the chart shows, in a sentence for those who do not see it. */
  label: string;
  points: readonly LinePoint[];
  series: readonly Series[];
  /** Every place on the axis, in order. */
  xs: readonly string[];
  xLabel: string;
  yLabel: string;
  isLog: boolean;
  /** Other numbers that the axis has room for, so that charts side by side have one scale. */
  among?: readonly number[] | undefined;
  /** Lines to hold the numbers against. */
  rules: readonly { value: number; text: string }[];
  format: (value: number) => string;
}

type Drawn = LinePoint & Placed;

const HEIGHT = 300;
const MARGIN = 52;
const MARGINS = { marginLeft: MARGIN, marginBottom: 40, marginTop: 26, marginRight: 14 };
/** Pixels that a label of the axis takes. */
const LABEL = 30;

/** A line for each series; exact zeros are hollow and at the bottom, NaN and infinite numbers crosses at the top, and they break the line. */
export function lineChart(
  { label, points, series, xs, xLabel, yLabel, isLog, among = [], rules, format }: LineChart,
  width: number,
): SVGSVGElement {
  const scale = valueScale(
    [...points.map(({ value }) => value), ...rules.map(({ value }) => value), ...among],
    isLog,
  );
  const drawn: Drawn[] = points.map((point) => ({ ...point, ...scale.place(point.value) }));
  const tickText = new Map(scale.ticks.map(({ at, text }) => [at, text]));
  const yTicks = scale.ticks.map(({ at }) => at);
  const colours = new Map(series.map(({ name, colour }) => [name, colour]));
  const symbols = new Map(series.map(({ name, symbol }) => [name, symbol]));
  const colour = ({ series: name }: Drawn): string => colours.get(name) ?? 'currentColor';
  const symbol = ({ series: name }: Drawn): Plot.SymbolType => symbols.get(name) ?? 'circle';
  const r = Math.max(1.2, Math.min(3.5, (width - MARGIN) / xs.length / 4));
  const onLine = drawn.filter(({ kind }) => kind === 'number' || kind === 'zero');
  const above = drawn.filter(({ kind }) => kind === 'nan' || kind === 'inf');
  const frame: Frame = {
    left: MARGIN,
    right: width - MARGINS.marginRight,
    top: MARGINS.marginTop,
    bottom: HEIGHT - MARGINS.marginBottom,
  };
  const x = {
    type: 'point',
    domain: [...xs],
    padding: 0.3,
    range: [frame.left, frame.right],
  } as const;
  const y = { type: scale.type, domain: scale.domain, range: [frame.bottom, frame.top] } as const;
  const [xScale, yScale] = [Plot.scale({ x }), Plot.scale({ y })];
  const lines = series.map(({ name }) =>
    drawn
      .filter((point) => point.series === name)
      .map((point) => ({
        x: xScale.apply(point.x) as number,
        y: yScale.apply(point.at) as number,
      })),
  );
  const places = labelPlaces(
    rules.map(({ value, text }) => ({ y: yScale.apply(value) as number, text })),
    lines,
    frame,
  );
  const chart = Plot.plot({
    width,
    height: HEIGHT,
    ...MARGINS,
    x,
    y,
    symbol: { type: 'identity' },
    style: { fontSize: '12px' },
    marks: [
      Plot.gridY(yTicks),
      Plot.axisY(yTicks, {
        tickFormat: (at: number) => tickText.get(at) ?? '',
        label: yLabel,
        labelArrow: 'none',
      }),
      Plot.axisX(thinned(xs, width - MARGIN), { label: xLabel, labelArrow: 'none' }),
      Plot.ruleY(rules, {
        y: 'value',
        stroke: 'currentColor',
        strokeDasharray: '4 4',
        strokeOpacity: 0.8,
      }),
      ...series.map(({ name, dash, colour: stroke }) =>
        Plot.line(
          broken(
            drawn.filter((point) => point.series === name),
            xs,
          ),
          { x: 'x', y: 'at', stroke, strokeWidth: 2, strokeDasharray: dash },
        ),
      ),
      Plot.dot(onLine, {
        x: 'x',
        y: 'at',
        symbol,
        stroke: colour,
        fill: (point: Drawn) => (point.kind === 'zero' ? 'var(--paper)' : colour(point)),
        r,
      }),
      Plot.dot(above, {
        x: 'x',
        y: 'at',
        symbol: 'times',
        stroke: colour,
        strokeWidth: 2,
        r: r + 1.5,
        className: 'not-finite',
      }),
      ...rules.map((rule, i) => {
        const { end, side } = places[i]!;
        const isAbove = side === 'above';
        return Plot.text([rule], {
          y: 'value',
          text: 'text',
          frameAnchor: end,
          lineAnchor: isAbove ? 'bottom' : 'top',
          textAnchor: end === 'right' ? 'end' : 'start',
          dy: isAbove ? -3 : 3,
          fill: 'currentColor',
          stroke: 'var(--paper)',
          strokeWidth: 4,
        });
      }),
      Plot.tip(
        drawn,
        Plot.pointer({
          x: 'x',
          y: 'at',
          title: (point: Drawn) => `${point.series}\n${point.note}\n${format(point.value)}`,
        }),
      ),
    ],
  });
  return picture(chart, label);
}

/** One entry for each place, so that the line breaks where there is no number. */
function broken(
  points: readonly Drawn[],
  xs: readonly string[],
): { x: string; at: number | undefined }[] {
  const byPlace = new Map(points.map((point) => [point.x, point]));
  return xs.map((x) => {
    const point = byPlace.get(x);
    return {
      x,
      at: point && (point.kind === 'number' || point.kind === 'zero') ? point.at : undefined,
    };
  });
}

/** As many of the places as there is room to label, the last one (the logits) included. */
function thinned(xs: readonly string[], width: number): string[] {
  const longest = Math.max(1, ...xs.map(({ length }) => length)) * 7;
  const step = Math.max(1, Math.ceil((xs.length * Math.max(LABEL, longest)) / width));
  const last = xs.length - 1;
  return xs.filter((_, i) => i === last || (i % step === 0 && last - i >= step));
}

import * as Plot from '@observablehq/plot';
import type { PageData } from '../pageTypes.js';
import { formatNumber } from '../report/text/number.js';
import { element } from './dom.js';
import { PALETTES } from './palette.js';
import { picture } from './picture.js';
import { rangeChart, type Range, type RangeMetric } from './ranges.js';
import { theme } from './theme.js';
import { valueScale } from './valueScale.js';

const MARGIN = 44;
const TALLEST_CELL = 22;

/** A range by layer and query head. */
export function heads(
  figure: HTMLElement,
  data: PageData,
  rangesOf: (batch: string | null) => readonly Range[],
): void {
  rangeChart(figure, data, rangesOf, (metric, rows, width) => {
    const cells = rows.filter(({ head }) => head !== null);
    return cells.length === 0
      ? [element('p', {}, 'This batch has no heads to show.')]
      : drawn(cells, metric, width);
  });
}

function drawn(cells: readonly Range[], { key, name, isLog }: RangeMetric, width: number): Node[] {
  const palette = PALETTES[theme()];
  const scale = valueScale(
    cells.map((cell) => cell[key]),
    isLog,
  );
  const numbers = cells
    .map((cell) => scale.place(cell[key]))
    .filter(({ kind }) => kind === 'number')
    .map(({ at }) => at);
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  const position = (at: number): number => (isLog ? Math.log10(at) : at);
  const colour = (value: number): string => {
    const { kind, at } = scale.place(value);
    if (kind === 'nan') return palette.nan;
    if (kind === 'inf') return palette.inf;
    if (kind === 'zero') return palette.paper;
    return palette.number(
      most > least ? (position(at) - position(least)) / (position(most) - position(least)) : 0.5,
    );
  };
  const layers = [...new Set(cells.map(({ layer }) => layer))];
  const headNumbers = [...new Set(cells.map(({ head }) => head!))].toSorted((a, b) => a - b);
  const each = (width - MARGIN - 10) / headNumbers.length;
  const step = Math.ceil(22 / each);
  const chart = Plot.plot({
    width,
    height: layers.length * Math.min(TALLEST_CELL, Math.max(9, 640 / layers.length)) + 50,
    marginLeft: MARGIN,
    marginBottom: 36,
    marginTop: 14,
    marginRight: 10,
    x: { type: 'band', domain: headNumbers, padding: 0 },
    y: { type: 'band', domain: layers, padding: 0 },
    color: { type: 'identity' },
    style: { fontSize: '12px' },
    marks: [
      Plot.axisX(
        headNumbers.filter((_, i) => i % step === 0),
        { label: 'query head', labelArrow: 'none' },
      ),
      Plot.axisY(
        layers.filter((_, i) => i % Math.ceil(layers.length / 40) === 0),
        { label: 'layer', labelArrow: 'none' },
      ),
      Plot.cell(cells, {
        x: 'head',
        y: 'layer',
        fill: (cell: Range) => colour(cell[key]),
        stroke: 'var(--paper)',
        strokeWidth: each > 8 ? 1 : 0.3,
      }),
      Plot.text(
        cells.filter((cell) => !Number.isFinite(cell[key])),
        {
          x: 'head',
          y: 'layer',
          text: (cell: Range) => (each < 26 ? '×' : formatNumber(cell[key])),
          fill: 'var(--paper)',
          fontWeight: 'bold',
        },
      ),
      Plot.tip(
        cells,
        Plot.pointer({
          x: 'head',
          y: 'layer',
          title: (cell: Range) =>
            `layer ${cell.layer}, head ${cell.head}\n${name}: ${formatNumber(cell[key])}`,
        }),
      ),
    ],
  });
  picture(
    chart,
    `${name} by layer and query head${numbers.length === 0 ? '' : `, from ${formatNumber(least)} to ${formatNumber(most)}`}. The table of ranges has the numbers.`,
  );
  return numbers.length === 0 ? [chart] : [ramp(name, least, most, isLog), chart];
}

/** What the colours of a heat map mean. */
export function ramp(label: string, least: number, most: number, isLog: boolean): HTMLElement {
  const palette = PALETTES[theme()];
  const ticks = spaced(least, most, isLog);
  const domain =
    most > least ? [least, most] : isLog ? [least / 2, least * 2] : [least - 1, least + 1];
  const drawnRamp = Plot.legend({
    color: { type: isLog ? 'log' : 'linear', domain, interpolate: palette.number, label },
    width: 260,
    height: 44,
    marginLeft: 24,
    marginRight: 24,
    ticks: ticks as never,
    tickFormat: formatNumber,
    style: { fontSize: '12px' },
  });
  return element('div', { class: 'ramp', 'aria-hidden': 'true' }, drawnRamp as unknown as Node);
}

/** The ends, and what is in the middle between them. */
function spaced(least: number, most: number, isLog: boolean): number[] {
  if (most <= least) return [least];
  const middle = isLog ? Math.sqrt(least * most) : (least + most) / 2;
  return [least, middle, most];
}

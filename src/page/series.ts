import * as Plot from '@observablehq/plot';
import { element } from './dom.js';

/** Colours of which the style has light and dark ones: see page.css. */
const COLOURS = 6;
const SYMBOLS: readonly Plot.SymbolType[] = [
  'circle',
  'square',
  'triangle',
  'diamond',
  'star',
  'wye',
  'cross',
];
const DASHES = ['', '7 3', '2 3', '9 3 2 3', '12 4'];

/** How one implementation is drawn everywhere: colour, symbol and dashes, so that none of them has to be told apart alone. */
export interface Series {
  name: string;
  colour: string;
  symbol: Plot.SymbolType;
  dash: string;
}

export function seriesOf(names: readonly string[]): Series[] {
  return names.map((name, i) => ({
    name,
    colour: `var(--series-${i % COLOURS})`,
    symbol: SYMBOLS[i % SYMBOLS.length]!,
    dash: DASHES[i % DASHES.length]!,
  }));
}

/** The implementations with the line that stands for each. */
export function legend(series: readonly Series[]): HTMLElement {
  const item = ({ name, colour, symbol, dash }: Series): HTMLElement => {
    const line = [
      { x: 0, y: 0 },
      { x: 1, y: 0 },
    ];
    const sample = Plot.plot({
      width: 38,
      height: 14,
      margin: 5,
      axis: null,
      x: { domain: [0, 1] },
      y: { domain: [-1, 1] },
      marks: [
        Plot.lineY(line, { x: 'x', y: 'y', stroke: colour, strokeWidth: 2, strokeDasharray: dash }),
        Plot.dot([{ x: 0.5, y: 0 }], { x: 'x', y: 'y', fill: colour, symbol, r: 4 }),
      ],
    });
    sample.setAttribute('aria-hidden', 'true');
    return element('li', {}, sample, name);
  };
  return element('ul', { class: 'legend' }, ...series.map(item));
}

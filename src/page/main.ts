import type { PageData, PageTableName } from '../pageTypes.js';
import type { EffectRow, RangeRow, Row } from '../types.js';
import { decode } from './decode.js';
import { divergence } from './divergence.js';
import { redraw } from './drawing.js';
import { heads } from './heads.js';
import { heatMap } from './heatMap.js';
import { lossChart } from './loss.js';
import { ranges, type Range } from './ranges.js';
import { lazyTable } from './tables.js';
import { printTheme, startTheme } from './theme.js';

const data = JSON.parse(document.querySelector('#data')!.textContent!) as PageData;
const once = <T>(make: () => T): (() => T) => {
  let made: { value: T } | null = null;
  return () => (made ??= { value: make() }).value;
};
const rows = once(() => decode<Row>(data.tables.rows));
const rangeRows = once(() => decode<RangeRow>(data.tables.ranges));
const overall = once(() => decode<Range>(data.overall));
const rangesOf = (batch: string | null): readonly Range[] =>
  batch === null ? overall() : rangeRows().filter((row) => row.batch === batch);

const CHARTS: Readonly<Record<string, (figure: HTMLElement) => void>> = {
  divergence: (figure) => divergence(figure, data, rows),
  tokens: (figure) => heatMap(figure, data),
  loss: (figure) => lossChart(figure, data, decode<EffectRow>(data.tables.effects)),
  ranges: (figure) => ranges(figure, data, rangesOf),
  heads: (figure) => heads(figure, data, rangesOf),
};

startTheme(document.querySelector('header')!, redraw);
for (const figure of document.querySelectorAll<HTMLElement>('figure[data-chart]'))
  CHARTS[figure.dataset['chart']!]!(figure);
const tables = [...document.querySelectorAll<HTMLDetailsElement>('details[data-table]')].map(
  (details) => {
    const name = details.dataset['table'] as PageTableName;
    return lazyTable(details, name, data.tables[name]);
  },
);

/** In print everything is there, in the light theme, and afterwards all is as it was. */
let afterwards: (() => void) | null = null;
addEventListener('beforeprint', () => {
  if (afterwards) return;
  const closed = [...document.querySelectorAll('details')].filter(({ open }) => !open);
  const endTheme = printTheme();
  for (const table of tables) table.print();
  redraw(true);
  for (const details of document.querySelectorAll('details')) details.open = true;
  afterwards = () => {
    endTheme();
    for (const details of closed) details.open = false;
    redraw();
  };
});
addEventListener('afterprint', () => {
  afterwards?.();
  afterwards = null;
});

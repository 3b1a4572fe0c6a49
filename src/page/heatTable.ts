import { byteText, layerSummaries, type Grid, type LayerSummary } from './grid.js';
import { element } from './dom.js';

type Place = { row: number; token: number } | null;

/** The map in words: of each layer the worst token, and where NaN begins. Open where there is any NaN. */
export function layerTable(grid: Grid, of: string): HTMLElement {
  const summaries = layerSummaries(grid);
  const hasNaN = summaries.some(({ nan }) => nan.valid + nan.others > 0);
  const placed = (place: Place): string =>
    place === null ? '–' : `${grid.size > 1 ? `row ${place.row}, ` : ''}token ${place.token}`;
  const columns: [string, (summary: LayerSummary) => string, string?][] = [
    ['layer', ({ layer }) => (layer === null ? 'logits' : String(layer))],
    ['worst valid token', ({ worst }) => (worst === null ? '–' : byteText(worst.byte)), 'number'],
    ['at', ({ worst }) => placed(worst)],
    ...(hasNaN
      ? ([
          ['NaN, valid tokens', ({ nan }) => String(nan.valid), 'number'],
          ['first', ({ first }) => placed(first.valid)],
          ['NaN, padding', ({ nan }) => String(nan.others), 'number'],
          ['first', ({ first }) => placed(first.others)],
        ] satisfies [string, (summary: LayerSummary) => string, string?][])
      : []),
  ];
  const cell = (
    summary: LayerSummary,
    [, text, kind]: (typeof columns)[number],
    i: number,
  ): HTMLElement => {
    const value = text(summary);
    const names = [kind, value === 'NaN' ? 'bad' : undefined]
      .filter((name) => name !== undefined)
      .join(' ');
    return element(
      i === 0 ? 'th' : 'td',
      { ...(i === 0 && { scope: 'row' }), ...(names !== '' && { class: names }) },
      value,
    );
  };
  const table = element(
    'table',
    {},
    element('caption', {}, element('span', {}, of)),
    element(
      'thead',
      {},
      element(
        'tr',
        {},
        ...columns.map(([head, , kind]) =>
          element('th', { scope: 'col', ...(kind !== undefined && { class: kind }) }, head),
        ),
      ),
    ),
    element(
      'tbody',
      {},
      ...summaries.map((summary) =>
        element('tr', {}, ...columns.map((column, i) => cell(summary, column, i))),
      ),
    ),
  );
  const details = element(
    'details',
    {},
    element(
      'summary',
      {},
      hasNaN
        ? 'As a table: the worst token and the first NaN of each layer'
        : 'As a table: the worst token of each layer',
    ),
    element(
      'div',
      { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': `By layer: ${of}` },
      table,
    ),
  );
  details.open = hasNaN;
  return details;
}

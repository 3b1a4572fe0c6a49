import * as Plot from '@observablehq/plot';
import type { PageData } from '../pageTypes.js';
import { placeText } from '../report/text/kinds.js';
import type { Scope, TokenMapStream } from '../types.js';
import { choice, element } from './dom.js';
import { drawWhenSeen } from './drawing.js';
import {
  byteAt,
  byteText,
  gridOf,
  INFINITE,
  kindAt,
  NAN,
  nextNaN,
  strips,
  ZERO,
  type Cell,
  type Grid,
  type Strip,
} from './grid.js';
import { ramp } from './heads.js';
import { bounds, Painter } from './heatImage.js';
import { bandTop, cellAt, GAP, layoutOf, moved, rectangleOf, type Layout } from './heatLayout.js';
import { layerTable } from './heatTable.js';
import { PALETTES } from './palette.js';
import { theme } from './theme.js';

const SCOPES: Readonly<Record<Scope, string>> = {
  local: 'local: attention',
  accumulated: 'accumulated: hidden state, logits',
};
const KINDS: Readonly<Record<string, string>> = { v: 'valid', p: 'padding', m: 'fully masked' };
const MARGINS = { left: 52, right: 12, top: 4, bottom: 40 };
const SVG = 'http://www.w3.org/2000/svg';

/** Layer by token, of one implementation and scope at a time. */
export function heatMap(figure: HTMLElement, { maps, mapBytes }: PageData): void {
  const place = figure.querySelector<HTMLElement>('.chart')!;
  const map = choice(
    'Batch',
    maps.filter(({ streams }) => streams.length > 0).map((each) => [each.batch, each] as const),
    changeMap,
  );
  const controls = element('div', { class: 'controls' }, map.label);
  let [stream, rows] = choices();
  const readout = element('output', { class: 'readout', 'aria-live': 'polite' });
  const hint = element(
    'p',
    { class: 'note', id: 'tokens-keys' },
    'With the map in focus: arrow keys go from cell to cell, Page Up and Page Down from row to row of the batch, Home and End to the first and the last token, N to the next NaN.',
  );
  const table = element('div', { class: 'table' });
  place.before(controls);
  place.after(readout, hint, table);
  let cell: Cell = { row: 0, layer: 0, token: 0 };
  let grid: Grid | null = null;

  const drawing = drawWhenSeen(place, (width) => {
    grid = gridOf(map.value(), stream.value());
    const shown = grid;
    table.replaceChildren(
      layerTable(
        shown,
        `${stream.value().implementation}, ${SCOPES[stream.value().scope]}, batch ${map.value().batch}`,
      ),
    );
    const layout = layoutOf(
      shown,
      rows.value() ?? Array.from({ length: shown.size }, (_, row) => row),
      width - MARGINS.left - MARGINS.right,
    );
    const palette = PALETTES[theme()];
    const range = mapBytes ?? [1, 1];
    const painter = new Painter(palette, range);
    const chart = picture(shown, layout, painter);
    return [keyOf(painter, range, mapBytes !== null), focusable(chart, layout, shown)];
  });

  /** The choices that hang on the batch. */
  function choices(): [
    ReturnType<typeof choice<TokenMapStream>>,
    ReturnType<typeof choice<number[] | null>>,
  ] {
    const { streams, size, worst } = map.value();
    const made = [
      choice(
        'Implementation',
        streams.map((each) => [`${each.implementation}, ${SCOPES[each.scope]}`, each] as const),
        redraw,
        worst,
      ),
      choice<number[] | null>(
        'Rows',
        [
          [`all ${size}, one under the other`, null],
          ...Array.from({ length: size }, (_, row): [string, number[]] => [`row ${row}`, [row]]),
        ],
        redraw,
      ),
    ] as const;
    controls.replaceChildren(map.label, made[0].label, made[1].label);
    made[1].label.hidden = size < 2;
    return [made[0], made[1]];
  }

  function changeMap(): void {
    [stream, rows] = choices();
    cell = { row: 0, layer: 0, token: 0 };
    redraw();
  }

  function redraw(): void {
    readout.textContent = '';
    drawing.draw();
  }

  /** The picture in something that takes the focus, and tells the cell that the pointer or the keys are on. */
  function focusable(chart: SVGSVGElement, layout: Layout, shown: Grid): HTMLElement {
    const cursor = document.createElementNS(SVG, 'rect');
    cursor.setAttribute('class', 'cursor');
    chart.append(cursor);
    const box = element(
      'div',
      {
        class: 'map',
        tabindex: '0',
        role: 'application',
        'aria-roledescription': 'heat map',
        'aria-label': `Layer by token: ${stream.value().implementation}, ${SCOPES[stream.value().scope]}, batch ${map.value().batch}`,
        'aria-describedby': 'tokens-keys',
      },
      chart,
    );
    const go = (to: Cell): void => {
      cell = to;
      const rectangle = rectangleOf(layout, shown, cell);
      cursor.toggleAttribute('hidden', rectangle === null);
      if (rectangle)
        for (const [name, value] of Object.entries({
          ...rectangle,
          x: rectangle.x + MARGINS.left,
          y: rectangle.y + MARGINS.top,
        }))
          cursor.setAttribute(name, String(value));
      readout.textContent = cellText(shown, cell);
    };
    const follow = (event: PointerEvent): void => {
      const { left, top, width } = chart.getBoundingClientRect();
      const scale = (layout.width + MARGINS.left + MARGINS.right) / width;
      const to = cellAt(
        layout,
        shown,
        (event.clientX - left) * scale - MARGINS.left,
        (event.clientY - top) * scale - MARGINS.top,
      );
      if (to) go(to);
    };
    box.addEventListener('pointermove', follow);
    box.addEventListener('pointerdown', follow);
    box.addEventListener('focus', () => go(cell));
    box.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const to =
        event.key.toLowerCase() === 'n'
          ? (nextNaN(shown, cell) ?? cell)
          : moved(cell, event.key, shown);
      if (to === null) return;
      event.preventDefault();
      go(rectangleOf(layout, shown, to) === null ? { ...to, row: cell.row } : to);
    });
    return box;
  }
}

function cellText(grid: Grid, cell: Cell): string {
  const layer = grid.layers[cell.layer] ?? null;
  return `Row ${cell.row}, ${placeText(layer, layer === null ? 'logits' : null)}, token ${cell.token} (${KINDS[kindAt(grid, cell)]}): ${byteText(byteAt(grid, cell))}`;
}

/** What the colours mean. */
function keyOf(
  painter: Painter,
  range: readonly [number, number],
  hasNumbers: boolean,
): HTMLElement {
  const [least, most] = bounds(range);
  const samples = [
    ['exactly 0', ZERO, 'v'],
    ['NaN', NAN, 'v'],
    ['infinite', INFINITE, 'v'],
    ['padding', ZERO, 'p'],
    ['fully masked', ZERO, 'm'],
  ] as const;
  const items = samples.map(([text, byte, kind]) =>
    element(
      'li',
      {},
      element('img', { src: painter.sample(byte, kind), alt: '', width: '22', height: '14' }),
      text,
    ),
  );
  return element(
    'div',
    { class: 'key' },
    ...(hasNumbers ? [ramp('‖Δ‖ / ‖reference‖', least, most, true)] : []),
    element('ul', { class: 'legend' }, ...items),
  );
}

function picture(grid: Grid, layout: Layout, painter: Painter): SVGSVGElement {
  const { rows, width, height } = layout;
  const columns = Math.max(1, Math.round(width));
  const bands = rows.map((row, band) => ({
    row,
    top: bandTop(layout, band),
    strips: strips(grid, row, columns),
  }));
  const image = painter.bands(columns, height, bands, layout.layer);
  const ticks = bands.flatMap(({ top }) =>
    layerTicks(grid, layout).map((layer) => ({
      at: top + (layer + 0.5) * layout.layer,
      text: layerName(grid, layer),
    })),
  );
  const tickText = new Map(ticks.map(({ at, text }) => [at, text]));
  const bad = bands.flatMap(({ top, strips: own }) =>
    nanRuns(own).map(([from, to]) => ({
      x1: (from / columns) * grid.length,
      x2: (to / columns) * grid.length,
      y1: top - 5,
      y2: top - 2,
    })),
  );
  const chart = Plot.plot({
    width: width + MARGINS.left + MARGINS.right,
    height: height + MARGINS.top + MARGINS.bottom,
    marginLeft: MARGINS.left,
    marginRight: MARGINS.right,
    marginTop: MARGINS.top,
    marginBottom: MARGINS.bottom,
    x: { type: 'linear', domain: [0, grid.length] },
    y: { type: 'linear', domain: [height, 0] },
    style: { fontSize: '11px' },
    marks: [
      Plot.image([image], {
        x: grid.length / 2,
        y: height / 2,
        src: (url: string) => url,
        width,
        height,
        preserveAspectRatio: 'none',
        imageRendering: 'pixelated',
      }),
      Plot.axisX({
        ticks: Math.max(2, Math.floor(width / 90)),
        tickFormat: (at: number) => String(at),
        label: 'token position',
        labelAnchor: 'center',
        labelArrow: 'none',
      }),
      Plot.axisY(
        ticks.map(({ at }) => at),
        { tickFormat: (at: number) => tickText.get(at) ?? '', label: null, tickSize: 3 },
      ),
      ...(grid.size > 1
        ? [
            Plot.text(bands, {
              x: 0,
              y: ({ top }: (typeof bands)[number]) => top - GAP + 8,
              text: ({ row }: (typeof bands)[number]) => `row ${row}`,
              textAnchor: 'start',
              fontWeight: 'bold',
            }),
          ]
        : []),
      Plot.rect(bad, {
        x1: 'x1',
        x2: 'x2',
        y1: 'y1',
        y2: 'y2',
        fill: 'var(--nan)',
        stroke: 'var(--nan)',
        strokeWidth: 1,
        className: 'nan-runs',
      }),
      Plot.rect(bands, {
        x1: 0,
        x2: grid.length,
        y1: 'top',
        y2: ({ top }: (typeof bands)[number]) => top + layout.layer * grid.layers.length,
        stroke: 'currentColor',
        strokeOpacity: 0.5,
      }),
    ],
  });
  chart.setAttribute('aria-hidden', 'true');
  return chart as SVGSVGElement;
}

function layerName({ layers }: Grid, layer: number): string {
  const name = layers[layer] ?? null;
  return name === null ? 'logits' : String(name);
}

/** The layers of a band that are named: as many as there is room for, the last one always. */
function layerTicks({ layers }: Grid, { layer: tall }: Layout): number[] {
  const step = Math.max(1, Math.ceil(12 / tall));
  const last = layers.length - 1;
  return layers.flatMap((_, layer) =>
    layer === last || (layer % step === 0 && (last - layer) * tall >= 12) ? [layer] : [],
  );
}

/** Neighbouring strips with a NaN on some layer, seen or hidden by valid tokens, from the first to behind the last. */
function nanRuns(own: readonly Strip[]): [number, number][] {
  const runs: [number, number][] = [];
  for (const [i, { bytes, hidesNaN }] of own.entries()) {
    if (!hidesNaN && !bytes.includes(NAN)) continue;
    const run = runs.at(-1);
    if (run?.[1] === i) run[1] = i + 1;
    else runs.push([i, i + 1]);
  }
  return runs;
}

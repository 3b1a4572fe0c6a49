import type { PageData } from '../pageTypes.js';
import { formatLimit, formatNumber } from '../report/text/number.js';
import type { Row, Scope } from '../types.js';
import { choice, element } from './dom.js';
import { drawWhenSeen } from './drawing.js';
import { lineChart, type LineChart } from './lineChart.js';
import { legend, seriesOf } from './series.js';
import { LOGITS, worstPoints } from './worstPoints.js';

const RELATIVE_L2 = 'relative L2';
const SCOPES = ['local', 'accumulated'] as const;

/** What can be drawn of a row; all of them grow with the distance, and 0 is none. */
const METRICS = [
  [RELATIVE_L2, (row: Row) => row.relL2],
  ['max |Δ|', (row: Row) => row.maxAbs],
  ['1 − smallest cosine', (row: Row) => 1 - row.minCosine],
  ['relative L2 against exact', (row: Row) => row.exactRelL2],
] as const satisfies readonly (readonly [string, (row: Row) => number])[];

const TITLES: Readonly<Record<Scope, string>> = {
  local: 'Local: attention',
  accumulated: 'Accumulated: hidden state',
};

/** Divergence by layer: one chart for each scope, on one scale of layers. */
export function divergence(figure: HTMLElement, data: PageData, rows: () => readonly Row[]): void {
  const place = figure.querySelector<HTMLElement>('.chart')!;
  const series = seriesOf(data.implementations.map(({ name }) => name)).filter(
    ({ name }) => name !== data.reference,
  );
  const layers = Array.from({ length: data.layers }, (_, layer) => String(layer));
  const metric = choice<(typeof METRICS)[number]>(
    'Metric',
    METRICS.map((entry) => [entry[0], entry]),
    redraw,
  );
  const batch = choice<string | null>(
    'Batch',
    [
      ...(data.batches.length > 1 ? [[`the worst of ${data.batches.length}`, null] as const] : []),
      ...data.batches.map((name) => [name, name] as const),
    ],
    redraw,
  );
  place.before(element('div', { class: 'controls' }, metric.label, batch.label), legend(series));

  const valid = (): Row[] =>
    rows().filter(
      ({ kind, implementation }) => kind === 'valid' && implementation !== data.reference,
    );
  let compared: Row[] | null = null;
  const drawing = drawWhenSeen(place, (width) => {
    compared ??= valid();
    const chosen = compared.filter((row) => batch.value() === null || row.batch === batch.value());
    const [name, read] = metric.value();
    const each = width >= 900 ? Math.floor(width / 2) - 8 : width;
    const points = SCOPES.map((scope) =>
      worstPoints(
        chosen.filter(
          (row) => row.scope === scope && (scope === 'local' || row.tap !== 'attention'),
        ),
        read,
      ),
    );
    const rules = SCOPES.map((scope) => (name === RELATIVE_L2 ? limits(scope) : []));
    const among = [...points.flat(), ...rules.flat()].map(({ value }) => value);
    return SCOPES.map((scope, i) =>
      panel(scope, name, { points: points[i]!, rules: rules[i]!, among }, each),
    );
  });

  function redraw(): void {
    drawing.draw();
  }

  /** What rounding explains: a line for each limit that some implementation has. */
  function limits(scope: Scope): { value: number; text: string }[] {
    const values = data.implementations
      .filter((info) => info.name !== data.reference)
      .map(({ rounding }) => rounding[scope]);
    return [...new Set(values)].map((value) => ({
      value,
      text: `rounding explains ${formatLimit(Number(value.toPrecision(3)))}`,
    }));
  }

  function panel(
    scope: Scope,
    name: string,
    parts: Pick<LineChart, 'points' | 'rules' | 'among'>,
    width: number,
  ): HTMLElement {
    const chart = lineChart(
      {
        label: `${TITLES[scope]}: ${name} by layer of ${series.map((each) => each.name).join(', ')}. The table below has the numbers.`,
        ...parts,
        series,
        xs: scope === 'local' ? layers : [...layers, LOGITS],
        xLabel: 'layer',
        yLabel: name,
        isLog: true,
        format: formatNumber,
      },
      width,
    );
    return element('div', { class: 'panel' }, element('h3', {}, TITLES[scope]), chart);
  }
}

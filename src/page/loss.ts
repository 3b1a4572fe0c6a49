import type { PageData } from '../pageTypes.js';
import { formatNumber } from '../report/text/number.js';
import type { EffectRow } from '../types.js';
import { choice, element } from './dom.js';
import { drawWhenSeen } from './drawing.js';
import { lineChart } from './lineChart.js';
import { legend, seriesOf } from './series.js';

interface Effect {
  name: string;
  /** Null where there is nothing to measure. */
  read: (row: EffectRow, reference: EffectRow | undefined) => number;
  isLog: boolean;
}

const AGAINST: readonly Effect[] = [
  {
    name: 'Δ loss against the reference, nats',
    read: (row, reference) => row.loss - (reference?.loss ?? NaN),
    isLog: false,
  },
  { name: 'KL, nats', read: ({ kl }) => Math.max(0, kl), isLog: true },
  {
    name: 'share of predictions that flip',
    read: ({ flips, targets }) => flips / targets,
    isLog: false,
  },
];
const LOSS: Effect = { name: 'loss, nats', read: ({ loss }) => loss, isLog: false };

/** Loss by batch, and beside it what the implementations change of it. */
export function lossChart(
  figure: HTMLElement,
  data: PageData,
  effects: readonly EffectRow[],
): void {
  const place = figure.querySelector<HTMLElement>('.chart')!;
  const series = seriesOf(data.implementations.map(({ name }) => name));
  const others = series.filter(({ name }) => name !== data.reference);
  const measured = effects.filter(({ targets }) => targets > 0);
  const references = new Map(
    measured
      .filter(({ implementation }) => implementation === data.reference)
      .map((row) => [row.batch, row]),
  );
  const xs = data.batches.filter((batch) => measured.some((row) => row.batch === batch));
  const against = choice(
    'Second chart',
    AGAINST.map((effect) => [effect.name, effect] as const),
    redraw,
  );
  place.before(element('div', { class: 'controls' }, against.label), legend(series));
  const drawing = drawWhenSeen(place, (width) => {
    const each = width >= 900 ? Math.floor(width / 2) - 8 : width;
    return [panel(LOSS, series, each), panel(against.value(), others, each)];
  });

  function redraw(): void {
    drawing.draw();
  }

  function panel({ name, read, isLog }: Effect, shown: typeof series, width: number): HTMLElement {
    const names = new Set(shown.map((each) => each.name));
    const points = measured
      .filter(({ implementation }) => names.has(implementation))
      .map((row) => ({
        series: row.implementation,
        x: row.batch,
        value: read(row, references.get(row.batch)),
        note: `batch ${row.batch}`,
      }));
    const label = `${name} by batch of ${[...names].join(', ')}. The table below has the numbers.`;
    return element(
      'div',
      { class: 'panel' },
      element('h3', {}, name),
      lineChart(
        {
          label,
          points,
          series: shown,
          xs,
          xLabel: 'batch',
          yLabel: name,
          isLog,
          rules: [],
          format: formatNumber,
        },
        width,
      ),
    );
  }
}

import type { PageData } from '../pageTypes.js';
import { formatNumber } from '../report/text/number.js';
import type { RangeRow } from '../types.js';
import { choice, element } from './dom.js';
import { drawWhenSeen } from './drawing.js';
import { lineChart } from './lineChart.js';
import type { Series } from './series.js';

/** A range, how it is drawn, and what it is held against. */
export interface RangeMetric {
  key: Exclude<keyof RangeRow, 'batch' | 'layer' | 'head'>;
  name: string;
  isLog: boolean;
  rules: readonly { value: number; text: string }[];
}

const RANGE_METRICS: readonly RangeMetric[] = [
  {
    key: 'maxScore',
    name: 'max |QKᵀ|',
    isLog: true,
    rules: [{ value: 65504, text: 'fp16 ends at 65504' }],
  },
  { key: 'scaledScore', name: 'S max, max |QKᵀ| · scale', isLog: true, rules: [] },
  {
    key: 'headroom',
    name: 'fp16 headroom, 65504 / max |QKᵀ|',
    isLog: true,
    rules: [{ value: 1, text: 'below 1, fp16 overflows' }],
  },
  { key: 'entropy', name: 'entropy, nats', isLog: false, rules: [] },
  { key: 'maxKey', name: 'max |K|', isLog: true, rules: [] },
  {
    key: 'underflow',
    name: 'underflow, share of probabilities that are 0',
    isLog: false,
    rules: [],
  },
  { key: 'rowSumError', name: 'max |Σp − 1|', isLog: true, rules: [] },
  { key: 'weightsL2', name: 'mean ‖p‖₂', isLog: false, rules: [] },
];

/** A range of one batch, or of all together (null). */
export type Range = Omit<RangeRow, 'batch'> & { batch?: string };

const LINE: Series = { name: 'reference', colour: 'var(--series-0)', symbol: 'circle', dash: '' };

/**
 * A chart of one range of one batch, with the choice of both above it.
 *
 * @param draw takes the range, and the rows of the batch or of all together
 */
export function rangeChart(
  figure: HTMLElement,
  data: PageData,
  rangesOf: (batch: string | null) => readonly Range[],
  draw: (metric: RangeMetric, rows: readonly Range[], width: number) => Node[],
): void {
  const place = figure.querySelector<HTMLElement>('.chart')!;
  const batches = [
    ...(data.batches.length > 1 ? [[`all ${data.batches.length} together`, null] as const] : []),
    ...data.batches.map((name) => [name, name] as const),
  ];
  const metric = choice(
    'Range',
    RANGE_METRICS.map((entry) => [entry.name, entry] as const),
    redraw,
  );
  const batch = choice('Batch', batches, redraw);
  place.before(element('div', { class: 'controls' }, metric.label, batch.label));
  const drawing = drawWhenSeen(place, (width) =>
    draw(metric.value(), rangesOf(batch.value()), width),
  );

  function redraw(): void {
    drawing.draw();
  }
}

/** Ranges by layer. */
export function ranges(
  figure: HTMLElement,
  data: PageData,
  rangesOf: (batch: string | null) => readonly Range[],
): void {
  rangeChart(figure, data, rangesOf, ({ key, name, isLog, rules }, rows, width) => {
    const shown = rows.filter(({ head }) => head === null);
    const points = shown.map((range) => ({
      series: LINE.name,
      x: String(range.layer),
      value: range[key],
      note: `layer ${range.layer}`,
    }));
    return [
      lineChart(
        {
          label: `${name} by layer. The table below has the numbers.`,
          points,
          series: [LINE],
          xs: shown.map(({ layer }) => String(layer)),
          xLabel: 'layer',
          yLabel: name,
          isLog,
          rules,
          format: formatNumber,
        },
        width,
      ),
    ];
  });
}

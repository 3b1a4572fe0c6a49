import { placeText } from '../report/text/kinds.js';
import type { Row } from '../types.js';
import type { LinePoint } from './linePoint.js';

/** Where the logits stand on an axis of layers. */
export const LOGITS = 'logits';

/** The point of each place: the worst of the batches, NaN before all. */
export function worstPoints(rows: readonly Row[], read: (row: Row) => number): LinePoint[] {
  const points = new Map<string, LinePoint>();
  for (const row of rows) {
    const { implementation, layer, batch, tap } = row;
    const x = layer === null ? LOGITS : String(layer);
    const key = JSON.stringify([implementation, x]);
    const value = read(row);
    const known = points.get(key);
    if (known === undefined || isWorse(value, known.value))
      points.set(key, {
        series: implementation,
        x,
        value,
        note: `${placeText(layer, tap)}, batch ${batch}`,
      });
  }
  return [...points.values()];
}

function isWorse(value: number, known: number): boolean {
  return !Number.isNaN(known) && (Number.isNaN(value) || value > known);
}

import type { Row } from '../types.js';
import type { MeasuredRow } from './aggregate.js';

/** Labels of the streams whose errors others are divided by. */
export interface Baselines {
  /** eager in fp32 */
  fp32: string;
  /** eager at the run's precision: plain attention, as flash-attention's tests call it. */
  plain: string;
}

/**
 * Adds to each row how its error against exact compares with the baselines' at the same batch, tap, layer, scope and
 * kind of token: `ratioFp32` of exactRelL2 to that of eager in fp32, and `ratioPlain` of exactMaxAbs to that of
 * plain attention at the run's precision, the quotient that flash-attention's own tests hold to at most 2 for O.
 *
 * 0/0 is 1 (as good as the baseline), x/0 is Infinity; NaN stays NaN, and a baseline that is NaN gives NaN.
 */
export function withRatios(rows: readonly MeasuredRow[], { fp32, plain }: Baselines): Row[] {
  const place = (row: MeasuredRow): string =>
    JSON.stringify([row.batch, row.tap, row.layer, row.scope, row.kind]);
  const byPlace = (label: string): Map<string, MeasuredRow> =>
    new Map(
      rows.filter(({ implementation }) => implementation === label).map((row) => [place(row), row]),
    );
  const [single, same] = [byPlace(fp32), byPlace(plain)];
  return rows.map((row) => ({
    ...row,
    ratioFp32: quotient(row.exactRelL2, single.get(place(row))?.exactRelL2 ?? NaN),
    ratioPlain: quotient(row.exactMaxAbs, same.get(place(row))?.exactMaxAbs ?? NaN),
  }));
}

function quotient(error: number, baseline: number): number {
  return error === 0 && baseline === 0 ? 1 : error / baseline;
}

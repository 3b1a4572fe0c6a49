import { RANGE_ROWS } from '../attention/rangeProbes.js';
import type { DiffGraph } from '../attention/rebuild.js';
import { rangeRows, type RangeSums } from '../metrics/index.js';
import type { Batch, RangeRow, Tensors } from '../types.js';

/**
 * Reads the range probes' outputs of one batch, [RANGE_ROWS, H] for each layer: a row for all heads of a layer, then
 * one for each head.
 */
export function readRanges(
  { ranges }: Pick<DiffGraph, 'ranges'>,
  outputs: Tensors,
  { name }: Pick<Batch, 'name'>,
): RangeRow[] {
  return ranges.flatMap(({ output, layer, scale }) => {
    const { data, dims } = outputs[output]!;
    const heads = dims[1]!;
    const sums = Array.from(
      { length: heads },
      (_, head) =>
        Object.fromEntries(
          RANGE_ROWS.map((row, i) => [row, Number(data[i * heads + head])]),
        ) as unknown as RangeSums,
    );
    return rangeRows(name, layer, sums, scale);
  });
}

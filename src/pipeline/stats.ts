import type { DiffGraph, ProbeOutput } from '../attention/rebuild.js';
import { PROBE_ROWS } from '../attention/probes.js';
import type { Sizes } from '../attention/evaluate.js';
import type { Batch, Tap, Tensors, TokenStats } from '../types.js';

type ProbeRow = (typeof PROBE_ROWS)[number];

/**
 * Reads the probes' outputs of one batch into one TokenStats per tap, scope, layer and stream.
 *
 * @param batchIndex the batch's place in the run
 * @param other the record of the graph that has the reference, where this one has not
 */
export function readProbes(
  diff: DiffGraph,
  outputs: Tensors,
  batch: Batch,
  batchIndex: number,
  sizes: Sizes,
  other: readonly TokenStats[] = [],
): TokenStats[] {
  const width: Record<Tap, number> = {
    attention: sizes.heads * sizes.headDim,
    hidden: sizes.hiddenSize,
    logits: sizes.vocabSize,
  };
  const place = ({ tap, scope, layer }: Pick<ProbeOutput, 'tap' | 'scope' | 'layer'>): string =>
    `${tap}/${scope}/${layer}`;
  const rows = diff.probes.flatMap((probe) =>
    probe.streams.map((stream, i) => ({
      probe,
      stream,
      values: probeRows(probe, i, outputs, batch),
    })),
  );
  const references = new Map([
    ...other
      .filter(({ implementation }) => implementation === diff.reference)
      .map((stats) => [place(stats), stats.l2] as const),
    ...rows
      .filter(({ stream }) => stream === diff.reference)
      .map(({ probe, values }) => [place(probe), values.l2] as const),
  ]);
  return rows.map(({ probe, stream, values }) => ({
    batch: batchIndex,
    tap: probe.tap,
    scope: probe.scope,
    layer: probe.layer,
    implementation: stream,
    width: width[probe.tap],
    ...values,
    ...maxima(values),
    l2Ref: references.get(place(probe))!,
  }));
}

function probeRows(
  probe: ProbeOutput,
  stream: number,
  outputs: Tensors,
  batch: Batch,
): Record<ProbeRow, Float64Array> {
  const data = outputs[probe.output]?.data as Float64Array;
  const read = (row: number): Float64Array =>
    probeRow(data, {
      row,
      stream,
      streams: probe.streams.length,
      tokens: batch.size * batch.length,
    }).slice();
  return Object.fromEntries(PROBE_ROWS.map((name, index) => [name, read(index)])) as Record<
    ProbeRow,
    Float64Array
  >;
}

/** One stream's row of a probe's output, [rows, streams, tokens]; a view, [tokens]. */
export function probeRow(
  data: Float64Array,
  {
    row,
    stream,
    streams,
    tokens,
  }: { row: number; stream: number; streams: number; tokens: number },
): Float64Array {
  const start = (row * streams + stream) * tokens;
  return data.subarray(start, start + tokens);
}

/** The two maxima of a probe, NaN where the norm beside them is: a provider's maximum may pass over a NaN, a sum does not. */
export function maxima({
  maxAbs,
  l2Delta,
  maxAbsExact,
  l2DeltaExact,
}: Pick<Record<ProbeRow, Float64Array>, 'maxAbs' | 'l2Delta' | 'maxAbsExact' | 'l2DeltaExact'>): {
  maxAbs: Float64Array;
  maxAbsExact: Float64Array;
} {
  const withNan = (maximum: Float64Array, norm: Float64Array): Float64Array =>
    maximum.map((value, i) => (Number.isNaN(norm[i]) ? NaN : value));
  return { maxAbs: withNan(maxAbs, l2Delta), maxAbsExact: withNan(maxAbsExact, l2DeltaExact) };
}

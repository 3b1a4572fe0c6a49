import type { DiffGraph, ProbeOutput } from '../attention/rebuild.js';
import { PROBE_ROWS } from '../attention/probes.js';
import type { Sizes } from '../attention/evaluate.js';
import type { Batch, Tap, Tensors, TokenStats } from '../types.js';

type ProbeRow = (typeof PROBE_ROWS)[number];

/**
 * Reads the probes' outputs of one batch into one TokenStats per tap, scope, layer and stream.
 *
 * @param batchIndex the batch's place in the run
 */
export function readProbes(diff: DiffGraph, outputs: Tensors, batch: Batch, batchIndex: number, sizes: Sizes): TokenStats[] {
  const width: Record<Tap, number> = { attention: sizes.heads * sizes.headDim, hidden: sizes.hiddenSize, logits: sizes.vocabSize };
  const place = ({ tap, scope, layer }: ProbeOutput): string => `${tap}/${scope}/${layer}`;
  const rows = diff.probes.flatMap((probe) => probe.streams.map((stream, i) => ({ probe, stream, values: probeRows(probe, i, outputs, batch) })));
  const references = new Map(rows.filter(({ stream }) => stream === diff.reference).map(({ probe, values }) => [place(probe), values]));
  return rows.map(({ probe, stream, values }) => ({
    batch: batchIndex,
    tap: probe.tap,
    scope: probe.scope,
    layer: probe.layer,
    implementation: stream,
    width: width[probe.tap],
    ...values,
    maxAbs: values.maxAbs.map((value, i) => (Number.isNaN(values.l2Delta[i]) ? NaN : value)),
    maxAbsExact: values.maxAbsExact.map((value, i) => (Number.isNaN(values.l2DeltaExact[i]) ? NaN : value)),
    l2Ref: references.get(place(probe))!.l2,
  }));
}

function probeRows(probe: ProbeOutput, stream: number, outputs: Tensors, batch: Batch): Record<ProbeRow, Float64Array> {
  const data = outputs[probe.output]?.data as Float64Array;
  const tokens = batch.size * batch.length;
  const row = (index: number): Float64Array => data.slice((index * probe.streams.length + stream) * tokens, (index * probe.streams.length + stream + 1) * tokens);
  return Object.fromEntries(PROBE_ROWS.map((name, index) => [name, row(index)])) as Record<ProbeRow, Float64Array>;
}

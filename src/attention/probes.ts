import type { GraphBuilder } from '../onnx/builder.js';
import { DataType } from '../onnx/types.js';
import { lateAxes } from './lateAxes.js';

/** The rows of a probe's output, in order. See TokenStats for the formulas. */
export const PROBE_ROWS = [
  'maxAbs',
  'l2Delta',
  'l2',
  'dot',
  'sumDelta',
  'nan',
  'inf',
  'maxAbsExact',
  'l2DeltaExact',
  'l2Exact',
  'sumDeltaExact',
] as const;

/** `BHSD` tensors are reduced over heads and head size, `BSD` tensors over the last axis. */
export type ProbeLayout = 'BHSD' | 'BSD';

/**
 * Adds the nodes that reduce each stream's tensor, against the reference, to one number per token and statistic.
 * All arithmetic is float64: the tensors are cast up before they are subtracted. NaN and Inf are counted in the
 * stream's own tensor; a NaN in the difference makes the sums NaN.
 *
 * @param streams one tensor per stream, float32 or float64, [B,H,S,D] or [B,S,D]
 * @param reference the tensor that each is compared with, of the same shape
 * @param truth what the error against the truth is measured from; the reference where there is no truth
 * @returns the name of a float64 tensor [PROBE_ROWS, streams, B, S]
 */
export function buildProbe(
  builder: GraphBuilder,
  streams: readonly string[],
  reference: string,
  layout: ProbeLayout,
  truth: string = reference,
): string {
  const front = lateAxes(builder, reference, 0, 1);
  const lift = (tensor: string): string =>
    builder.op('Unsqueeze', [builder.cast(tensor, DataType.DOUBLE), front]);
  const axes = layout === 'BHSD' ? builder.ints(3, 5) : builder.ints(4);
  const reduce = (opType: string, tensor: string): string =>
    builder.op(opType, [tensor, axes], { keepdims: 0n });
  const count = (opType: string, tensor: string): string =>
    reduce('ReduceSum', builder.cast(builder.op(opType, [tensor]), DataType.DOUBLE));

  const known = new Map<string, string>();
  const lifted = (tensor: string): string =>
    known.get(tensor) ?? known.set(tensor, lift(tensor)).get(tensor)!;
  const target = lifted(reference);
  const stacked =
    streams.length === 1
      ? lifted(streams[0]!)
      : builder.op('Concat', streams.map(lifted), { axis: 1n });
  const delta = builder.op('Sub', [stacked, target]);
  const error = truth === reference ? delta : builder.op('Sub', [stacked, lifted(truth)]);
  const l2 = reduce('ReduceL2', stacked);
  const rows: Record<(typeof PROBE_ROWS)[number], string> = {
    maxAbs: reduce('ReduceMax', builder.op('Abs', [delta])),
    l2Delta: reduce('ReduceL2', delta),
    l2,
    dot: reduce('ReduceSum', builder.op('Mul', [stacked, target])),
    sumDelta: reduce('ReduceSum', delta),
    nan: count('IsNaN', stacked),
    inf: count('IsInf', stacked),
    maxAbsExact: reduce('ReduceMax', builder.op('Abs', [error])),
    l2DeltaExact: reduce('ReduceL2', error),
    sumDeltaExact: reduce('ReduceSum', error),
    l2Exact: builder.op('Expand', [reduce('ReduceL2', lifted(truth)), builder.op('Shape', [l2])]),
  };
  return builder.op(
    'Concat',
    PROBE_ROWS.map((row) => rows[row]),
    { axis: 0n },
  );
}

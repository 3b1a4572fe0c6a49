import type { GraphBuilder } from '../onnx/builder.js';
import { DataType } from '../onnx/types.js';

/** The rows of a probe's output, in order. See TokenStats for the formulas. */
export const PROBE_ROWS = ['maxAbs', 'l2Delta', 'l2', 'dot', 'sumDelta', 'nan', 'inf'] as const;

/** `BHSD` tensors are reduced over heads and head size, `BSD` tensors over the last axis. */
export type ProbeLayout = 'BHSD' | 'BSD';

/**
 * Adds the nodes that reduce each stream's tensor, against the reference, to one number per token and statistic.
 * All arithmetic is float64: the tensors are cast up before they are subtracted. NaN and Inf are counted in the
 * stream's own tensor; a NaN in the difference makes the sums NaN.
 *
 * @param streams one tensor per stream, float32 or float64, [B,H,S,D] or [B,S,D]
 * @param reference the tensor that each is compared with, of the same shape
 * @returns the name of a float64 tensor [PROBE_ROWS, streams, B, S]
 */
export function buildProbe(builder: GraphBuilder, streams: readonly string[], reference: string, layout: ProbeLayout): string {
  const lift = (tensor: string): string => builder.op('Unsqueeze', [builder.cast(tensor, DataType.DOUBLE), builder.ints(0)]);
  const axes = layout === 'BHSD' ? builder.ints(2, 4) : builder.ints(3);
  const reduce = (opType: string, tensor: string): string => builder.op(opType, [tensor, axes], { keepdims: 0n });
  const count = (opType: string, tensor: string): string => reduce('ReduceSum', builder.cast(builder.op(opType, [tensor]), DataType.DOUBLE));

  const target = lift(reference);
  const lifted = streams.map((stream) => (stream === reference ? target : lift(stream)));
  const stacked = lifted.length === 1 ? lifted[0]! : builder.op('Concat', lifted, { axis: 0n });
  const delta = builder.op('Sub', [stacked, target]);
  const rows: Record<(typeof PROBE_ROWS)[number], string> = {
    maxAbs: reduce('ReduceMax', builder.op('Abs', [delta])),
    l2Delta: reduce('ReduceL2', delta),
    l2: reduce('ReduceL2', stacked),
    dot: reduce('ReduceSum', builder.op('Mul', [stacked, target])),
    sumDelta: reduce('ReduceSum', delta),
    nan: count('IsNaN', stacked),
    inf: count('IsInf', stacked),
  };
  return builder.op('Concat', PROBE_ROWS.map((row) => builder.op('Unsqueeze', [rows[row], builder.ints(0)])), { axis: 0n });
}

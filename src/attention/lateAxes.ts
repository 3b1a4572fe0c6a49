import type { GraphBuilder } from '../onnx/builder.js';

/**
 * The first axis or the first two, for Squeeze or Unsqueeze, made such that they are not known before the model runs:
 * then neither is the rank of the result, nor of what is computed from it. ONNX Runtime's memory planner holds each
 * tensor of known rank against every buffer that is free by then; for the thousands of tensors in the probes of a deep
 * model that takes seconds.
 *
 * @param sized a tensor whose first axis is at least one long, and is not of constant length
 */
export function lateAxes(builder: GraphBuilder, sized: string, ...axes: [0] | [0, 1]): string {
  const size = builder.op('Shape', [sized], { start: 0n, end: 1n });
  return builder.op('Min', [size, builder.ints(...axes)]);
}

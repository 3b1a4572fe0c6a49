import type { GraphBuilder } from '../../onnx/builder.js';
import type { AttentionSettings } from '../../types.js';

/** Probabilities with those below a `flush` deviation's limit set to 0, as a kernel that flushes denormals does; NaN stays. */
export function flushed(
  builder: GraphBuilder,
  probabilities: string,
  { deviation }: AttentionSettings,
): string {
  if (deviation?.kind !== 'flush') return probabilities;
  return builder.op('Where', [
    builder.op('Less', [probabilities, builder.float(deviation.below)]),
    builder.float(0),
    probabilities,
  ]);
}

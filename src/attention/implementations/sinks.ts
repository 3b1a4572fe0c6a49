import type { GraphBuilder } from '../../onnx/builder.js';
import type { AttentionInputs } from './types.js';

type FloatType = 'float32' | 'float64';

/**
 * Scores with the sinks as one more column, [B,H,S,T] → [B,H,S,T+1]: a logit of each query head's own that takes part in
 * the softmax and has no value (gpt-oss; Xiao et al. 2023, arXiv 2309.17453). The scores themselves where there are none.
 */
export function withSinks(
  builder: GraphBuilder,
  scores: string,
  sinks: AttentionInputs['sinks'],
  type: FloatType = 'float32',
  round: (tensor: string) => string = (tensor) => tensor,
): string {
  if (sinks === null) return scores;
  return builder.op('Concat', [scores, round(columnOf(builder, scores, sinks, type))], {
    axis: -1n,
  });
}

/** Probabilities without the sinks' column: what is left of each row sums to less than 1. */
export function withoutSinks(
  builder: GraphBuilder,
  probabilities: string,
  sinks: AttentionInputs['sinks'],
): string {
  return sinks === null
    ? probabilities
    : builder.op('Slice', [probabilities, builder.ints(0), builder.ints(-1), builder.ints(3)]);
}

/**
 * For an operator that has no sinks: one more key and value of zeros, whose score is 0, and a mask [B,H,S,T+1] that adds
 * the sink to it. Tensors are of the type that the operator takes.
 */
export function sinksAsKey(
  builder: GraphBuilder,
  { key, value, mask, query }: { query: string; key: string; value: string; mask: string },
  sinks: readonly number[],
): { key: string; value: string; mask: string } {
  const sizes = (tensor: string, from: number, to: number): string =>
    builder.op('Shape', [tensor], { start: BigInt(from), end: BigInt(to) });
  const zeros = (tensor: string): string => {
    const shape = builder.op(
      'Concat',
      [sizes(tensor, 0, 2), builder.ints(1), sizes(tensor, 3, 4)],
      { axis: 0n },
    );
    return builder.op('CastLike', [builder.op('Expand', [builder.float(0), shape]), tensor]);
  };
  const appended = (tensor: string): string =>
    builder.op('Concat', [tensor, zeros(tensor)], { axis: 2n });
  // A mask for all rows, or all heads, has to have them apart for the sinks.
  const whole = builder.op('Expand', [
    mask,
    builder.op('Concat', [sizes(query, 0, 3), builder.ints(1)], { axis: 0n }),
  ]);
  const column = builder.op('CastLike', [columnOf(builder, whole, sinks, 'float32'), whole]);
  return {
    key: appended(key),
    value: appended(value),
    mask: builder.op('Concat', [whole, column], { axis: -1n }),
  };
}

/** [B,H,S,1], as tall as the scores. */
function columnOf(
  builder: GraphBuilder,
  scores: string,
  sinks: readonly number[],
  type: FloatType,
): string {
  const shape = builder.op(
    'Concat',
    [builder.op('Shape', [scores], { start: 0n, end: 3n }), builder.ints(1)],
    { axis: 0n },
  );
  return builder.op('Expand', [builder.floats(sinks, [1, sinks.length, 1, 1], type), shape]);
}

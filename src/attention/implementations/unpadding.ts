import type { GraphBuilder } from '../../onnx/builder.js';
import type { AttentionInputs } from './types.js';

/** [B,heads,S,D] → [R,L,heads·D], only valid tokens, at the front of their rows; or [t,heads·D], one after another. */
export function unpadded(
  builder: GraphBuilder,
  tensor: string,
  width: number,
  { gather }: { gather: string },
): string {
  return builder.op(
    'Gather',
    [builder.reshapeTo(builder.transpose(tensor, 0, 2, 1, 3), -1, width), gather],
    { axis: 0n },
  );
}

/** The way back, [R,L,…] → [B,H,S,D], with zeros on padding. */
export function scattered(
  builder: GraphBuilder,
  tensor: string,
  { scatter }: { scatter: string },
  { heads, headDim }: Pick<AttentionInputs, 'heads' | 'headDim'>,
): string {
  const zero = builder.op('Expand', [builder.float(0), builder.ints(1, heads * headDim)]);
  const zeroToken = builder.op('CastLike', [zero, tensor]);
  const slots = builder.op('Concat', [builder.reshapeTo(tensor, -1, heads * headDim), zeroToken], {
    axis: 0n,
  });
  const tokens = builder.op('Gather', [slots, scatter], { axis: 0n });
  return builder.transpose(builder.reshapeTo(tokens, 0, 0, heads, headDim), 0, 2, 1, 3);
}

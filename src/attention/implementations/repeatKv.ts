import type { GraphBuilder } from '../../onnx/builder.js';

/** Repeats each key/value head for the query heads that it serves: [B,Hkv,T,D] → [B,H,T,D], head h from h div (H/Hkv). */
export function repeatKv(
  builder: GraphBuilder,
  tensor: string,
  heads: number,
  kvHeads: number,
): string {
  if (heads === kvHeads) return tensor;
  const copies = builder.op('Expand', [
    builder.op('Unsqueeze', [tensor, builder.ints(2)]),
    builder.ints(1, 1, heads / kvHeads, 1, 1),
  ]);
  const shape = builder.op(
    'Concat',
    [builder.ints(0, heads), builder.op('Shape', [tensor], { start: 2n })],
    { axis: 0n },
  );
  return builder.reshape(copies, shape);
}

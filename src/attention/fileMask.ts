import type { GraphBuilder } from '../onnx/builder.js';
import { DataType } from '../onnx/types.js';
import type { MaskSpec } from '../types.js';
import type { Masks } from './implementations/types.js';

/** A mask of the file's own graph. */
export interface FileMask {
  tensor: string;
  type: DataType;
  operatorCausal: boolean;
}

/** Which keys come no later than the query, whatever else is masked. */
const CAUSAL: MaskSpec = {
  window: null,
  causal: true,
  padding: 'ignored',
  alignment: 'bottom-right',
  shift: 0,
};

/**
 * Mask tensors that are the file's own at one site instead of made from the batch. The file's mask is that of the whole
 * stack, whose parts are alike, or one for all rows: its first rows serve.
 *
 * @param query [B,H,S,D], which has as many rows as the batch
 */
export function fileMasks(
  builder: GraphBuilder,
  made: Masks,
  { tensor, type, operatorCausal }: FileMask,
  query: string,
): Masks {
  const whole = builder.op('Expand', [tensor, builder.ints(1, 1, 1, 1)]);
  const rows = builder.op('Shape', [query], { start: 0n, end: 1n });
  const own = builder.op('Slice', [whole, builder.ints(0), rows, builder.ints(0)]);
  if (type === DataType.BOOL) {
    const allowed = operatorCausal ? builder.op('And', [own, made.allowed(CAUSAL)]) : own;
    return {
      ...made,
      allowed: () => allowed,
      bias: () => null,
      additive: () =>
        builder.op('Where', [allowed, builder.float(0), builder.float(-3.4028234663852886e38)]),
    };
  }
  const float = type === DataType.FLOAT ? own : builder.cast(own, DataType.FLOAT);
  const additive = operatorCausal
    ? builder.op('Where', [made.allowed(CAUSAL), float, builder.float(-Infinity)])
    : float;
  return { ...made, bias: () => additive, additive: () => additive };
}

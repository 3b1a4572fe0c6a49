import type { GraphBuilder } from '../../onnx/builder.js';
import { HALF_TYPES } from '../../onnx/half.js';
import { DataType } from '../../onnx/types.js';
import type { AttentionPrecision } from '../../types.js';
import type { AttentionTraits, Implementation } from './types.js';

const MICROSOFT: Implementation['opsets'] = [
  { domain: '', version: 18 },
  { domain: 'com.microsoft', version: 1 },
];

/**
 * What every implementation has in common that is one operator in the precision's own type.
 *
 * @param opsets those of com.microsoft's operators where left out
 */
export function fused(
  name: Implementation['name'],
  operator: string,
  precision: AttentionPrecision,
  opsets: Implementation['opsets'] = MICROSOFT,
): Omit<Implementation, 'build' | 'obstacle'> {
  return {
    name,
    emulated: false,
    precision,
    opsets,
    inputType: typeOf(precision),
    outputType: 'float32',
    computeOps: [operator],
  };
}

/** Why ONNX Runtime's flash operators cannot compute a model's attention; null where they can. */
export function kernelObstacle(
  operator: string,
  { headDim, causal, hasSinks }: AttentionTraits,
): string | null {
  if (!causal) return `${operator} is causal, and this model attends in both directions`;
  if (hasSinks && operator === 'PagedAttention')
    return `${operator} has no sinks in its softmax, and this model's has`;
  return headDim % 8 === 0
    ? null
    : `${operator} takes head sizes that are a multiple of 8, and this model's is ${headDim}`;
}

/** The type that a provider computes in which has the precision. */
function typeOf(precision: AttentionPrecision): DataType {
  return precision === 'fp32' ? DataType.FLOAT : HALF_TYPES[precision];
}

/** A tensor of the precision's type as float32. */
export function widened(
  builder: GraphBuilder,
  tensor: string,
  precision: AttentionPrecision,
): string {
  return precision === 'fp32' ? tensor : builder.cast(tensor, DataType.FLOAT);
}

/** A float32 tensor in the precision's type. */
export function narrowed(
  builder: GraphBuilder,
  tensor: string,
  precision: AttentionPrecision,
): string {
  return precision === 'fp32' ? tensor : builder.cast(tensor, HALF_TYPES[precision]);
}

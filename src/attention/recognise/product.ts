import { attribute, isMicrosoftOp, isOp, type OnnxGraph } from '../../onnx/graph.js';
import type { NodeProto } from '../../onnx/types.js';

/** A matrix product of two computed tensors. */
export interface Product {
  node: NodeProto;
  left: string;
  right: string;
  /** Whether the node itself swaps the last two axes of `right`. */
  transposesRight: boolean;
  /** What the node multiplies the product with. */
  factor: number;
}

/** MatMul, or the FusedMatMul that ONNX Runtime's optimizer makes of Transpose, MatMul and a scale; null for others. */
export function matchProduct(graph: OnnxGraph, node: NodeProto | undefined): Product | null {
  const fused = isMicrosoftOp(node, 'FusedMatMul');
  if (!node || (!fused && !isOp(node, 'MatMul'))) return null;
  if (node.input.some((input) => graph.constant(input) !== undefined)) return null;
  const flag = (name: string): boolean => fused && attribute(node, name)?.i === 1n;
  if (flag('transA') || flag('transBatchA') || flag('transBatchB')) return null;
  const factor = fused ? (attribute(node, 'alpha')?.f ?? 1) : 1;
  return {
    node,
    left: node.input[0]!,
    right: node.input[1]!,
    transposesRight: flag('transB'),
    factor,
  };
}

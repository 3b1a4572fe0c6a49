import { elementTypes } from '../onnx/elementType.js';
import type { OnnxGraph } from '../onnx/graph.js';
import { DataType, type NodeProto } from '../onnx/types.js';
import type { ExecutedNode } from '../runners/types.js';
import type { Precision } from '../types.js';

/** Element types that attention can be computed in, by ONNX Runtime's names and by ONNX's. */
const TOLD: Readonly<Record<string, Precision>> = {
  float: 'fp32',
  double: 'fp64',
  float16: 'fp16',
  bfloat16: 'bf16',
};
const WRITTEN: Readonly<Partial<Record<DataType, Precision>>> = {
  [DataType.FLOAT]: 'fp32',
  [DataType.DOUBLE]: 'fp64',
  [DataType.FLOAT16]: 'fp16',
  [DataType.BFLOAT16]: 'bf16',
};
const EIGHT_BIT: ReadonlySet<string> = new Set(['int8', 'uint8']);

/**
 * What an executed node computed in, by the types of what it took and made: floating-point ones, and `int8` for an
 * operator on 8-bit numbers. What a kernel uses inside is not told. Empty where no type is.
 */
export function ranIn({
  opType,
  inputTypes,
  outputTypes,
}: Pick<ExecutedNode, 'opType' | 'inputTypes' | 'outputTypes'>): Precision[] {
  const floats = [...inputTypes, ...outputTypes].flatMap((type) => TOLD[type] ?? []);
  const isQuantised = EIGHT_BIT.has(inputTypes[0] ?? '') && opType !== 'DequantizeLinear';
  return sorted([...floats, ...(isQuantised ? (['int8'] as const) : [])]);
}

/** The same of a node as it is written. */
export function writtenIn(graph: OnnxGraph, { input, output }: NodeProto): Precision[] {
  const typeOf = elementTypes(graph);
  return sorted(
    [...input, ...output].flatMap((tensor) =>
      tensor === '' ? [] : (WRITTEN[typeOf(tensor)] ?? []),
    ),
  );
}

/** What of a node ran in types in which it is not written; none where it is not known what it is written in. */
export function otherTypes(
  ran: readonly ExecutedNode[],
  written: readonly Precision[],
): Precision[] {
  if (written.length === 0) return [];
  return sorted(
    ran.flatMap(ranIn).filter((precision) => precision !== 'int8' && !written.includes(precision)),
  );
}

/** Each once, in one order for all reports. */
export function sorted(precisions: readonly Precision[]): Precision[] {
  return [...new Set(precisions)].toSorted();
}

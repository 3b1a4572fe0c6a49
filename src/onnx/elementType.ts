import { attribute, isOp, type OnnxGraph } from './graph.js';
import { tensorInfo } from './inputs.js';
import { DataType, type NodeProto } from './types.js';

const BOOLEAN = [
  'Equal',
  'Less',
  'LessOrEqual',
  'Greater',
  'GreaterOrEqual',
  'And',
  'Or',
  'Xor',
  'Not',
  'IsNaN',
  'IsInf',
];
const INT64 = ['Shape', 'Size', 'NonZero', 'ArgMax', 'ArgMin'];
/** Operators whose result has the type of an input other than the first. */
const TYPED_BY_INPUT: Readonly<Record<string, number>> = {
  Where: 1,
  DequantizeLinear: 1,
  CastLike: 1,
  GatherBlockQuantized: 2,
};

const cache = new WeakMap<OnnxGraph, (tensor: string) => DataType>();

/**
 * Tells the element type of a graph's tensors: from what the file declares, and where it declares nothing from the
 * operator that makes the tensor. UNDEFINED where neither tells.
 */
export function elementTypes(graph: OnnxGraph): (tensor: string) => DataType {
  const typeOf = cache.get(graph) ?? inferTypes(graph);
  cache.set(graph, typeOf);
  return typeOf;
}

function inferTypes(graph: OnnxGraph): (tensor: string) => DataType {
  const known = new Map<string, DataType>();
  for (const value of [...graph.graph.input, ...graph.graph.output, ...graph.graph.valueInfo]) {
    const { name, type } = tensorInfo(value);
    if (type !== DataType.UNDEFINED) known.set(name, type);
  }
  for (const [name, tensor] of graph.initializers) known.set(name, tensor.dataType);
  const typeOf = (tensor: string): DataType => {
    // Follows the first input upwards without recursion: decoders are thousands of nodes deep.
    const path: string[] = [];
    let name: string | undefined = tensor;
    let type: DataType | undefined;
    while (name !== undefined && type === undefined) {
      type = known.get(name);
      if (type !== undefined) break;
      path.push(name);
      const node = graph.producer(name);
      type = node ? ownType(node) : DataType.UNDEFINED;
      name = node?.input[TYPED_BY_INPUT[node.opType] ?? 0];
    }
    for (const visited of path) known.set(visited, type ?? DataType.UNDEFINED);
    return type ?? DataType.UNDEFINED;
  };
  return typeOf;
}

/** The type that a node gives its output whatever its inputs are; undefined where it follows an input. */
function ownType(node: NodeProto): DataType | undefined {
  if (isOp(node, 'Cast')) return Number(attribute(node, 'to')?.i) as DataType;
  if (isOp(node, ...BOOLEAN)) return DataType.BOOL;
  if (isOp(node, ...INT64)) return DataType.INT64;
  if (isOp(node, 'MatMulInteger')) return DataType.INT32;
  if (isOp(node, 'Constant'))
    return (
      attribute(node, 'value')?.t?.dataType ??
      (attribute(node, 'value_float') ? DataType.FLOAT : DataType.INT64)
    );
  if (isOp(node, 'ConstantOfShape')) return attribute(node, 'value')?.t?.dataType ?? DataType.FLOAT;
  return undefined;
}

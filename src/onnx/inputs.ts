import type { OnnxGraph } from './graph.js';
import { DataType, type ValueInfoProto } from './types.js';

/** A graph input or output; unnamed open dims are null, symbolic ones their name. */
export interface TensorInfo {
  name: string;
  type: DataType;
  shape: (number | string | null)[];
}

export function tensorInfo(value: ValueInfoProto): TensorInfo {
  const tensor = value.type?.value.case === 'tensorType' ? value.type.value.value : undefined;
  const shape = (tensor?.shape?.dim ?? []).map((dim) => {
    if (dim.value.case === 'dimValue') return Number(dim.value.value);
    return dim.value.case === 'dimParam' && dim.value.value !== '' ? dim.value.value : null;
  });
  return { name: value.name, type: (tensor?.elemType ?? DataType.UNDEFINED) as DataType, shape };
}

/** The inputs that a caller must feed: graph inputs that are not initializers. */
export function modelInputs(graph: OnnxGraph): TensorInfo[] {
  return graph.graph.input.filter(({ name }) => graph.inputs.has(name)).map(tensorInfo);
}

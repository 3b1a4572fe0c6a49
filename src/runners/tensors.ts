import * as ort from 'onnxruntime-node';
import { float16Bits, float16Numbers } from '../float16.js';
import type { TensorData, Tensors } from '../types.js';

/** Tensors as ONNX Runtime takes them; float16 as bit patterns. */
export function toOrt(tensors: Tensors): Record<string, ort.Tensor> {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { type, data, dims }]) => [
      name,
      new ort.Tensor(
        type,
        (type === 'float16' ? float16Bits(data as Float32Array) : data) as never,
        dims,
      ),
    ]),
  );
}

/**
 * Tensors as ONNX Runtime returns them, each decoded by its type: the only place at which a tensor comes in.
 *
 * @throws Error for a type that nothing here reads
 */
export function fromOrt(tensors: ort.InferenceSession.OnnxValueMapType): Tensors {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, value]) => [name, decoded(name, value as ort.Tensor)]),
  );
}

const DECODERS: Readonly<
  Record<TensorData['type'], (data: ort.Tensor['data']) => TensorData['data']>
> = {
  float32: (data) => data as Float32Array,
  float64: (data) => data as Float64Array,
  // A Float16Array where the JavaScript engine has one, else bit patterns.
  float16: (data) =>
    data instanceof Uint16Array
      ? float16Numbers(data)
      : Float32Array.from(data as unknown as ArrayLike<number>),
  int64: (data) => data as BigInt64Array,
  int32: (data) => data as Int32Array,
  bool: (data) => data as Uint8Array,
};

function decoded(name: string, { type, dims, data }: ort.Tensor): TensorData {
  if (!Object.hasOwn(DECODERS, type))
    throw new Error(`output '${name}' is of type ${type}, which is not read`);
  const known = type as TensorData['type'];
  return { type: known, dims, data: DECODERS[known](data) };
}

import type { ModelInput } from '../attention/inputRoles.js';
import type { Sizes } from '../attention/evaluate.js';
import { allowedMask, PLAIN_MASK } from '../batch/index.js';
import { SMALLEST } from '../onnx/half.js';
import { DataType } from '../onnx/types.js';
import type { Batch, TensorData, Tensors } from '../types.js';

/** What an empty cache is shaped after where the graph leaves its dims open. */
type CacheSizes = Pick<Sizes, 'kvHeads' | 'headDim'>;

/**
 * Feeds for the model's own inputs: the batch repeated `copies` times on the batch axis, and empty caches.
 * Ids, masks and positions are [copies·B, S]; a 4D mask is [copies·B, 1, S, S]; every cache [copies·B, Hkv, 0, D].
 */
export function modelFeeds(
  inputs: readonly ModelInput[],
  sizes: CacheSizes,
  batch: Batch,
  copies: number,
): Tensors {
  return Object.fromEntries(
    inputs.map((input) => [input.name, inputFeed(input, sizes, batch, copies)]),
  );
}

function inputFeed(input: ModelInput, sizes: CacheSizes, batch: Batch, copies: number): TensorData {
  const { type } = input;
  const rows = batch.size * copies;
  const dims = [rows, batch.length];
  switch (input.role) {
    case 'ids':
      return tensor(type, dims, repeat(batch.inputIds, copies));
    case 'mask':
      return tensor(
        type,
        dims,
        encoded(input, repeat(batch.attentionMask, copies), (bit) => bit === 1n),
      );
    case 'mask-4d':
      return mask4d(input, batch, copies);
    case 'positions':
      return positions(input, batch, copies);
    case 'token-types':
      return tensor(type, dims, new Uint8Array(rows * batch.length));
    case 'use-cache':
    case 'logits-to-keep':
      return tensor(type, input.role === 'use-cache' ? [1] : input.shape.map(() => 1), [0]);
    case 'cache':
      return emptyCache(input, sizes, rows);
    case 'unused':
      return zeros(input, sizes, batch, rows);
  }
}

/** Two float32 zeros of a mask are one bit: what is kept adds nothing, and what is masked the least of its type. */
function encoded<T>(
  { type, encoding }: ModelInput,
  values: ArrayLike<T>,
  isKept: (value: T) => boolean,
): Float64Array {
  const least = SMALLEST[type === DataType.FLOAT16 ? DataType.FLOAT16 : DataType.FLOAT];
  const [kept, masked] = encoding === 'keep' ? [1, 0] : encoding === 'drop' ? [0, 1] : [0, least];
  return Float64Array.from(values, (value) => (isKept(value) ? kept : masked));
}

/** The batch's causal padding mask, for as many heads as the file asks for. */
function mask4d(input: ModelInput, batch: Batch, copies: number): TensorData {
  const { size, length } = batch;
  const declared = input.shape.length === 4 ? input.shape[1] : null;
  const heads = typeof declared === 'number' ? declared : 1;
  const { data } = allowedMask(
    { ...batch, mask: null },
    { ...PLAIN_MASK, causal: input.causal, window: input.window },
  );
  const plane = length * length;
  const all = new Uint8Array(copies * size * heads * plane);
  for (let at = 0; at < copies * size * heads; at++) {
    const row = Math.floor(at / heads) % size;
    all.set(data.subarray(row * plane, (row + 1) * plane), at * plane);
  }
  return tensor(
    input.type,
    [size * copies, ...(input.shape.length === 4 ? [heads] : []), length, length],
    encoded(input, all, (bit) => bit === 1),
  );
}

/** Text has the same position on every axis of a multimodal rotary embedding; one row for all rows counts from 0. */
function positions({ type, shape }: ModelInput, batch: Batch, copies: number): TensorData {
  const { size, length } = batch;
  if (shape.length === 1 || (shape.length === 2 && shape[0] === 1 && size * copies > 1))
    return tensor(
      type,
      shape.length === 1 ? [length] : [1, length],
      Float64Array.from({ length }, (_, i) => i),
    );
  const rows = repeat(batch.positionIds, copies);
  if (shape.length === 2) return tensor(type, [size * copies, length], rows);
  const axes = typeof shape[0] === 'number' ? shape[0] : MROPE_AXES;
  return tensor(type, [axes, size * copies, length], repeat(rows, axes));
}

/** Time, height and width. */
const MROPE_AXES = 3;

function emptyCache(
  { type, shape }: ModelInput,
  { kvHeads, headDim }: CacheSizes,
  rows: number,
): TensorData {
  const fixed = (dim: ModelInput['shape'][number] | undefined, otherwise: number): number =>
    typeof dim === 'number' ? dim : otherwise;
  const dims = [rows, fixed(shape[1], kvHeads), fixed(shape[2], 0), fixed(shape[3], headDim)];
  return tensor(type, dims, new Uint8Array(dims.reduce((a, b) => a * b, 1)));
}

function zeros(
  { type, shape }: ModelInput,
  { headDim }: CacheSizes,
  batch: Batch,
  rows: number,
): TensorData {
  const dims = shape.map((dim, axis) =>
    typeof dim === 'number'
      ? dim
      : axis === 0
        ? rows
        : axis === shape.length - 1 && shape.length === 4
          ? headDim
          : batch.length,
  );
  return tensor(type, dims, new Uint8Array(dims.reduce((a, b) => a * b, 1)));
}

function repeat(values: BigInt64Array, copies: number): BigInt64Array {
  const repeated = new BigInt64Array(values.length * copies);
  for (let i = 0; i < copies; i++) repeated.set(values, i * values.length);
  return repeated;
}

/** Numbers as a tensor of the type that an input has. */
function tensor(
  type: DataType,
  dims: readonly number[],
  values: ArrayLike<number | bigint>,
): TensorData {
  switch (type) {
    case DataType.INT32:
      return { type: 'int32', dims, data: Int32Array.from(values, Number) };
    case DataType.BOOL:
      return { type: 'bool', dims, data: Uint8Array.from(values, Number) };
    case DataType.FLOAT:
    case DataType.FLOAT16:
      return {
        type: type === DataType.FLOAT ? 'float32' : 'float16',
        dims,
        data: Float32Array.from(values, Number),
      };
    case DataType.DOUBLE:
      return { type: 'float64', dims, data: Float64Array.from(values, Number) };
    default:
      return {
        type: 'int64',
        dims,
        data: values instanceof BigInt64Array ? values : BigInt64Array.from(values, BigInt),
      };
  }
}

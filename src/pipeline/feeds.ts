import type { Sizes } from '../attention/evaluate.js';
import { givenInput, type SharedOutput } from '../attention/exchange.js';
import type { DiffGraph } from '../attention/rebuild.js';
import type { ModelInput } from '../attention/inputRoles.js';
import type { AddedInput } from '../attention/maskInputs.js';
import { PAGE } from '../attention/implementations/varlen.js';
import {
  allowedMask,
  packIndices,
  rowHasKey,
  unpadIndices,
  type PackedIndices,
} from '../batch/index.js';
import type { Batch, BatchMask, TensorData, Tensors } from '../types.js';
import { modelFeeds } from './tokenFeeds.js';

export { modelFeeds };

/** Feeds for a rebuilt graph: the model's own inputs, the batch as often as it is stacked, and those that rebuilding added. */
export function diffFeeds(
  inputs: readonly ModelInput[],
  sizes: Pick<Sizes, 'kvHeads' | 'headDim'>,
  { slots, added }: Pick<DiffGraph, 'slots' | 'added'>,
  batch: Batch,
): Tensors {
  return { ...modelFeeds(inputs, sizes, batch, slots), ...addedFeeds(added, batch, slots) };
}

/** Feeds for what a graph takes from another: what the other has returned. */
export function givenFeeds(shared: readonly SharedOutput[], outputs: Tensors): Tensors {
  return Object.fromEntries(shared.map(({ key, output }) => [givenInput(key), outputs[output]!]));
}

function repeat(values: BigInt64Array, copies: number): BigInt64Array {
  const repeated = new BigInt64Array(values.length * copies);
  for (let i = 0; i < copies; i++) repeated.set(values, i * values.length);
  return repeated;
}

/** What an additive mask adds where it allows. */
function biasOf({ additive, allowed }: BatchMask): Float32Array {
  return additive!.map((value, i) => (allowed[i] === 1 ? value : 0));
}

/** Feeds for the inputs that rebuilding added: masks and unpadding indices of one copy of the batch, positions of all. */
export function addedFeeds(added: readonly AddedInput[], batch: Batch, copies: number): Tensors {
  const { size, length } = batch;
  const known = new Map<string, ReturnType<typeof unpadIndices>>();
  const unpad = (part: 'all' | 'prefill'): ReturnType<typeof unpadIndices> => {
    const found =
      known.get(part) ??
      unpadIndices(batch, part === 'all' ? undefined : { from: 0, to: batch.past });
    known.set(part, found);
    return found;
  };
  let packing: PackedIndices | undefined;
  const packed = (): PackedIndices => (packing ??= packIndices(batch));
  const feed = (input: AddedInput): TensorData => {
    switch (input.role) {
      case 'allowed':
        return { type: 'bool', ...allowedMask(batch, input.mask) };
      case 'rowHasKey':
        return { type: 'bool', ...rowHasKey(batch, input.mask) };
      case 'bias':
      case 'additive':
        return {
          type: 'float32',
          dims: batch.mask!.dims,
          data: input.role === 'additive' ? batch.mask!.additive! : biasOf(batch.mask!),
        };
      case 'valid':
        return {
          type: 'bool',
          dims: [size, 1, length, 1],
          data: Uint8Array.from(batch.kinds, (kind) => Number(kind === 'valid')),
        };
      case 'gather':
        return {
          type: 'int64',
          dims: [unpad(input.part).rows, unpad(input.part).length],
          data: unpad(input.part).gather,
        };
      case 'scatter':
        return {
          type: 'int64',
          dims: [size, unpad(input.part).scatter.length / size],
          data: unpad(input.part).scatter,
        };
      case 'seqlensK':
        return { type: 'int32', dims: [unpad(input.part).rows], data: unpad(input.part).seqlensK };
      case 'packedGather':
        return { type: 'int64', dims: [packed().gather.length], data: packed().gather };
      case 'packedScatter':
        return { type: 'int64', dims: [size, length], data: packed().scatter };
      case 'packedStarts':
        return { type: 'int32', dims: [packed().rows + 1], data: packed().starts };
      case 'packedPast':
        return { type: 'int32', dims: [packed().rows], data: new Int32Array(packed().rows) };
      case 'packedPages': {
        const perRow = Math.ceil(length / PAGE);
        return {
          type: 'int32',
          dims: [packed().rows, perRow],
          data: Int32Array.from({ length: packed().rows * perRow }, (_, i) => i),
        };
      }
      case 'positionIds':
        return {
          type: 'int64',
          dims: [size * copies, length],
          data: repeat(batch.positionIds, copies),
        };
      case 'totalLength':
        return { type: 'int32', dims: [], data: Int32Array.of(unpad(input.part).length) };
    }
  };
  return Object.fromEntries(added.map((input) => [input.name, feed(input)]));
}

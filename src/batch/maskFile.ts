import { extname } from 'node:path';
import { AttnDiffError } from '../errors.js';
import type { Batch, BatchMask } from '../types.js';
import { invalidMask, type FileArray } from './array.js';
import { tokenKinds } from './kinds.js';
import { isNpy, parseNpy } from './npy.js';
import { readBytes } from './readBytes.js';
import { parseSafetensors } from './safetensors.js';

/** Names of the mask in a safetensors file that holds several tensors. */
const NAMES = ['mask', 'attention_mask'];
/** An additive mask masks a key with this or less; what is greater is a bias. */
const MASKED = -1000;
const LARGEST_FLOAT32 = (2 - 2 ** -23) * 2 ** 127;

/**
 * Reads a 4D mask: see {@link parseMask}.
 *
 * @throws AttnDiffError mask-unreadable, mask-invalid
 */
export async function readMask(path: string): Promise<BatchMask> {
  return parseMask(await readBytes(path, 'mask-unreadable'), path);
}

/**
 * Takes the bytes of a .npy or .safetensors file for a mask of four dimensions, [B|1, H|1, S, S], or of two, [S, S],
 * for all rows and heads alike. bool, and uint8 of 0 and 1, say where a query may look; floats are added to the
 * scores: above −1000 a query may look, with the number as a bias. float64 beyond float32 becomes its largest number.
 *
 * @param path decides by its extension where the bytes do not, and is named in errors
 * @throws AttnDiffError mask-invalid; NaN and +Infinity in the mask, and floats that are all 0 or 1, are among the reasons
 */
export function parseMask(bytes: Uint8Array, path: string): BatchMask {
  const array = parseArray(bytes, path);
  const dims = dimsOf(array, path);
  const { type, values } = array;
  const indices = (i: number): string => `[${indicesOf(i, array.shape).join(', ')}]`;
  if (values instanceof Uint8Array) {
    const odd = values.findIndex((value) => value > 1);
    if (odd !== -1)
      throw invalidMask(
        path,
        `a mask of ${type} holds 0 and 1, and at ${indices(odd)} it has ${values[odd]}`,
      );
    return { dims, allowed: values, additive: null, source: path };
  }
  const bad = values.findIndex((value) => Number.isNaN(value) || value === Infinity);
  if (bad !== -1)
    throw invalidMask(
      path,
      `at ${indices(bad)} it has ${values[bad]}, which is neither a bias nor a mask`,
    );
  if (values.includes(1) && values.every((value) => value === 0 || value === 1)) {
    throw invalidMask(
      path,
      `it holds 0 and 1 as ${type}, which would be added to the scores and mask nothing; save it as bool`,
    );
  }
  const additive = Float32Array.from(values, (value) =>
    value === -Infinity ? value : Math.min(Math.max(value, -LARGEST_FLOAT32), LARGEST_FLOAT32),
  );
  return {
    dims,
    allowed: Uint8Array.from(values, (value) => Number(value > MASKED)),
    additive,
    source: path,
  };
}

function parseArray(bytes: Uint8Array, path: string): FileArray {
  const extension = extname(path).toLowerCase();
  if (isNpy(bytes) || extension === '.npy') return parseNpy(bytes, path);
  if (extension === '.safetensors') return parseSafetensors(bytes, NAMES, path);
  throw invalidMask(path, 'it is neither a .npy nor a .safetensors file');
}

function dimsOf({ shape }: FileArray, path: string): BatchMask['dims'] {
  const [a, b, c, d] = shape;
  if (
    a !== undefined &&
    b !== undefined &&
    c !== undefined &&
    d !== undefined &&
    shape.length === 4
  )
    return [a, b, c, d];
  if (a !== undefined && b !== undefined && shape.length === 2) return [1, 1, a, b];
  throw invalidMask(
    path,
    `its shape is [${shape.join(', ')}], and a mask has four dimensions, or two`,
  );
}

function indicesOf(index: number, shape: readonly number[]): number[] {
  let rest = index;
  return shape
    .toReversed()
    .map((dim) => {
      const here = rest % dim;
      rest = Math.floor(rest / dim);
      return here;
    })
    .toReversed();
}

/**
 * The batch under a mask of its own, and its tokens' kinds under that.
 *
 * @param heads query heads of the model
 * @throws AttnDiffError mask-shape where the mask is for other batches
 */
export function withMask(batch: Batch, mask: BatchMask, heads: number): Batch {
  const { size, length } = batch;
  const [rows, planes, queries, keys] = mask.dims;
  if (
    (rows !== 1 && rows !== size) ||
    (planes !== 1 && planes !== heads) ||
    queries !== length ||
    keys !== length
  ) {
    const either = (n: number): string => (n === 1 ? '1' : `1 or ${n}`);
    const needed = `[${either(size)}, ${either(heads)}, ${length}, ${length}]`;
    throw new AttnDiffError('mask-shape', {
      path: mask.source,
      found: `[${mask.dims.join(', ')}]`,
      needed,
      batch: batch.name,
    });
  }
  return { ...batch, mask, kinds: tokenKinds({ ...batch, mask }) };
}

import { AttnDiffError } from '../errors.js';
import { float16ToNumber } from '../float16.js';

/** Element types that a mask may have, by numpy's names. */
export type ArrayType = 'bool' | 'uint8' | 'float16' | 'bfloat16' | 'float32' | 'float64';

/** An array out of a file, in row-major order: bool and uint8 as they are, floats widened without rounding. */
export interface FileArray {
  type: ArrayType;
  shape: number[];
  values: Uint8Array | Float64Array;
}

const READERS: Record<
  Exclude<ArrayType, 'bool' | 'uint8'>,
  { width: number; read: (view: DataView, offset: number, littleEndian: boolean) => number }
> = {
  float16: {
    width: 2,
    read: (view, offset, littleEndian) => float16ToNumber(view.getUint16(offset, littleEndian)),
  },
  bfloat16: {
    width: 2,
    read: (view, offset, littleEndian) => bfloat16ToNumber(view.getUint16(offset, littleEndian)),
  },
  float32: {
    width: 4,
    read: (view, offset, littleEndian) => view.getFloat32(offset, littleEndian),
  },
  float64: {
    width: 8,
    read: (view, offset, littleEndian) => view.getFloat64(offset, littleEndian),
  },
};

/** The error for a file that is not, or not rightly, what it should be. */
export function invalidMask(path: string, problem: string): AttnDiffError {
  return new AttnDiffError('mask-invalid', { path, problem });
}

/**
 * Reads the elements of an array, which the bytes must hold exactly.
 *
 * @param path is named in errors
 * @throws AttnDiffError mask-invalid where there are more or fewer bytes than the shape needs
 */
export function decodeArray(
  bytes: Uint8Array,
  { type, shape, littleEndian }: { type: ArrayType; shape: number[]; littleEndian: boolean },
  path: string,
): FileArray {
  const plain = type === 'bool' || type === 'uint8';
  const width = plain ? 1 : READERS[type].width;
  const needed = shape.reduce((product, dim) => product * dim, width);
  if (bytes.length !== needed) {
    throw invalidMask(
      path,
      `its shape [${shape.join(', ')}] of ${type} needs ${needed} bytes, and it has ${bytes.length}${bytes.length < needed ? ': it is cut off' : ''}`,
    );
  }
  if (plain) return { type, shape, values: new Uint8Array(bytes) };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { read } = READERS[type];
  const values = new Float64Array(bytes.length / width);
  for (let i = 0; i < values.length; i++) values[i] = read(view, i * width, littleEndian);
  return { type, shape, values };
}

/** The value of a bfloat16 bit pattern, the upper half of a float32. */
function bfloat16ToNumber(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint16(0, bits);
  return view.getFloat32(0);
}

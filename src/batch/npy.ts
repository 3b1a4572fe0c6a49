import { decodeArray, invalidMask, type ArrayType, type FileArray } from './array.js';

const MAGIC = '\u0093NUMPY';
/** Bytes before the header's length: the magic and two for the version. */
const PREFIX = 8;

/** numpy's type codes, without the byte order. */
const TYPES: Readonly<Record<string, ArrayType>> = {
  b1: 'bool',
  u1: 'uint8',
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
};

/** Whether a file begins as numpy's format does. */
export function isNpy(bytes: Uint8Array): boolean {
  return String.fromCharCode(...bytes.subarray(0, MAGIC.length)) === MAGIC;
}

/**
 * Reads an array that `numpy.save` wrote: format versions 1 to 3, either byte order, C or Fortran order.
 *
 * @param path is named in errors
 * @throws AttnDiffError mask-invalid
 * @see numpy.lib.format, which specifies the format
 */
export function parseNpy(bytes: Uint8Array, path: string): FileArray {
  if (!isNpy(bytes)) throw invalidMask(path, 'it does not begin as a .npy file does');
  const { header, data } = splitHeader(bytes, path);
  const type = /'descr'\s*:\s*'([^']*)'/.exec(header)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)\b/.exec(header)?.[1];
  const shape = shapeOf(header);
  if (order === undefined || shape === null || !header.includes("'descr'"))
    throw invalidMask(path, 'its header does not name descr, fortran_order and shape');
  const [, endian, code = ''] = /^([<>|=])(.*)$/.exec(type ?? '') ?? [];
  const known = Object.hasOwn(TYPES, code) ? TYPES[code] : undefined;
  if (endian === undefined || known === undefined)
    throw invalidMask(
      path,
      `its elements are ${type ?? 'records'}, and a mask is bool, uint8, float16, float32 or float64`,
    );
  const array = decodeArray(data, { type: known, shape, littleEndian: endian !== '>' }, path);
  return order === 'True' ? { ...array, values: toRowMajor(array) } : array;
}

function splitHeader(bytes: Uint8Array, path: string): { header: string; data: Uint8Array } {
  const version = bytes[MAGIC.length] ?? 0;
  const wide = version >= 2;
  const start = PREFIX + (wide ? 4 : 2);
  if (bytes.length < start) throw invalidMask(path, 'it is cut off in its header');
  if (version < 1 || version > 3)
    throw invalidMask(path, `it is of version ${version} of the .npy format, and 1 to 3 are known`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = start + (wide ? view.getUint32(PREFIX, true) : view.getUint16(PREFIX, true));
  if (bytes.length < end) throw invalidMask(path, 'it is cut off in its header');
  return {
    header: new TextDecoder('latin1').decode(bytes.subarray(start, end)),
    data: bytes.subarray(end),
  };
}

/** The tuple of a header, such as `(2, 1, 8, 8)`, `(3,)` or `()`; null where there is none. */
function shapeOf(header: string): number[] | null {
  const tuple = /'shape'\s*:\s*\(([^)]*)\)/.exec(header)?.[1];
  if (tuple === undefined) return null;
  const dims = tuple.split(',').map((dim) => dim.trim());
  if (dims.at(-1) === '') dims.pop();
  return dims.every((dim) => /^\d{1,15}L?$/.test(dim))
    ? dims.map((dim) => Number.parseInt(dim, 10))
    : null;
}

/** The elements of an array whose first index runs fastest, in the order in which its last one does. */
function toRowMajor({ shape, values }: FileArray): Uint8Array | Float64Array {
  const strides = shape.map((_, axis) =>
    shape.slice(0, axis).reduce((product, dim) => product * dim, 1),
  );
  return values.map((_, i) => {
    let rest = i;
    let from = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += (rest % shape[axis]!) * strides[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    return values[from]!;
  });
}

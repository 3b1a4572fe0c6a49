import { z } from 'zod';
import { parseBoundedJson } from '../boundedJson.js';
import { decodeArray, invalidMask, type ArrayType, type FileArray } from './array.js';

const size = z.int().nonnegative();
const entry = z.object({
  dtype: z.string(),
  shape: z.array(size),
  data_offsets: z.tuple([size, size]),
});
type Entry = z.output<typeof entry>;

const TYPES: Readonly<Record<string, ArrayType>> = {
  BOOL: 'bool',
  U8: 'uint8',
  F16: 'float16',
  BF16: 'bfloat16',
  F32: 'float32',
  F64: 'float64',
};

/** Bytes of the header's length, at the beginning of a file. */
const PREFIX = 8;

/**
 * Reads one tensor of a safetensors file: the first of these names that is there, or the only tensor.
 *
 * @param path is named in errors
 * @throws AttnDiffError mask-invalid
 */
export function parseSafetensors(
  bytes: Uint8Array,
  names: readonly string[],
  path: string,
): FileArray {
  const { entries, data } = splitHeader(bytes, path);
  const name =
    names.find((candidate) => entries.has(candidate)) ??
    (entries.size === 1 ? [...entries.keys()][0]! : null);
  const found = name === null ? undefined : entries.get(name);
  if (found === undefined) {
    throw invalidMask(
      path,
      entries.size === 0
        ? 'it holds no tensor'
        : `which of its tensors is the mask is not clear: ${[...entries.keys()].join(', ')}; name it ${names[0]}`,
    );
  }
  const {
    dtype,
    shape,
    data_offsets: [from, to],
  } = found;
  const type = Object.hasOwn(TYPES, dtype) ? TYPES[dtype] : undefined;
  if (type === undefined)
    throw invalidMask(
      path,
      `its tensor ${name} is ${dtype}, and a mask is BOOL, U8, F16, BF16, F32 or F64`,
    );
  if (from > to) throw invalidMask(path, `its tensor ${name} lies at bytes ${from} to ${to}`);
  return decodeArray(data.subarray(from, to), { type, shape, littleEndian: true }, path);
}

function splitHeader(
  bytes: Uint8Array,
  path: string,
): { entries: Map<string, Entry>; data: Uint8Array } {
  if (bytes.length < PREFIX) throw invalidMask(path, 'it is no safetensors file: it has no header');
  const length = new DataView(bytes.buffer, bytes.byteOffset, PREFIX).getBigUint64(0, true);
  if (length > BigInt(bytes.length - PREFIX))
    throw invalidMask(path, 'it is no safetensors file, or is cut off in its header');
  const start = PREFIX + Number(length);
  const json = parseJson(new TextDecoder().decode(bytes.subarray(PREFIX, start)));
  const header = z.record(z.string(), z.unknown()).safeParse(json);
  if (!header.success)
    throw invalidMask(path, 'it is no safetensors file: its header is no JSON object');
  const entries = new Map<string, Entry>();
  for (const [name, value] of Object.entries(header.data)) {
    if (name === '__metadata__') continue;
    const parsed = entry.safeParse(value);
    if (!parsed.success)
      throw invalidMask(path, `its header does not describe tensor ${name} rightly`);
    entries.set(name, parsed.data);
  }
  const data = bytes.subarray(start);
  const end = [...entries.values()].reduce(
    (last, { data_offsets: [, to] }) => Math.max(last, to),
    0,
  );
  if (end !== data.length)
    throw invalidMask(
      path,
      `its tensors end at byte ${end}, and it has ${data.length} bytes of them${data.length < end ? ': it is cut off' : ''}`,
    );
  return { entries, data };
}

function parseJson(text: string): unknown {
  try {
    return parseBoundedJson(text);
  } catch {
    return null;
  }
}

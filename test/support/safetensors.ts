import { readFileSync } from 'node:fs';

export interface SafeTensor {
  dtype: string;
  shape: number[];
  data: Float32Array | Float64Array | BigInt64Array | Uint8Array;
}

const TYPES = {
  F32: Float32Array,
  F64: Float64Array,
  I64: BigInt64Array,
  BOOL: Uint8Array,
  U8: Uint8Array,
} as const;

/** Reads a whole .safetensors file: 8 bytes of header length, a JSON header, the tensors' bytes. */
export function readSafetensors(path: string): Map<string, SafeTensor> {
  const bytes = readFileSync(path);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<
    string,
    { dtype: keyof typeof TYPES; shape: number[]; data_offsets: [number, number] }
  >;
  return new Map(
    Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [from, to],
          },
        ]) => {
          const part = bytes.subarray(8 + headerLength + from, 8 + headerLength + to);
          const copy = part.buffer.slice(part.byteOffset, part.byteOffset + part.byteLength);
          return [name, { dtype, shape, data: new TYPES[dtype](copy) }];
        },
      ),
  );
}

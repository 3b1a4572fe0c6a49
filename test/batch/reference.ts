import { readFileSync } from 'node:fs';

interface Entry {
  dtype: string;
  data_offsets: [number, number];
}

/** Reads int64 and uint8 tensors of one of Hugging Face's reference files (safetensors: length, JSON header, data). */
export function readReference(path: string): (name: string) => BigInt64Array | Uint8Array {
  const bytes = readFileSync(path);
  const headerBytes = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerBytes)) as Record<string, Entry>;
  return (name) => {
    const entry = header[name];
    if (!entry) throw new Error(`${path} has no ${name}`);
    const [start, end] = entry.data_offsets.map((offset) => offset + 8 + headerBytes);
    const data = new Uint8Array(bytes.subarray(start, end));
    return entry.dtype === 'I64' ? new BigInt64Array(data.buffer) : data;
  };
}

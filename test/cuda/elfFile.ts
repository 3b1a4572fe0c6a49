import { writeFileSync } from 'node:fs';

export interface ElfParts {
  needed?: readonly string[];
  soname?: string;
  runpath?: string;
  /** 62 for x86-64, 183 for AArch64. */
  machine?: number;
  /** Follows the tables; a real library has its code and texts there. */
  payload?: string;
}

/** The bytes of a shared object that has nothing but what the loader reads: header, two segments, dynamic section, strings. */
export function elfBytes({
  needed = [],
  soname,
  runpath,
  machine = 62,
  payload = '',
}: ElfParts): Buffer {
  const strings: string[] = [''];
  const place = (text: string): number => {
    const offset = Buffer.byteLength(`${strings.join('\0')}\0`);
    strings.push(text);
    return offset;
  };
  const named: [number, number][] = [
    ...needed.map((name): [number, number] => [1, place(name)]),
    ...(soname === undefined ? [] : [[14, place(soname)] as [number, number]]),
    ...(runpath === undefined ? [] : [[29, place(runpath)] as [number, number]]),
  ];
  const base = 0x10000;
  const dynamicAt = 64 + 2 * 56;
  const stringsAt = dynamicAt + (named.length + 2) * 16;
  const table = Buffer.from(`${strings.join('\0')}\0`);
  const text = Buffer.from(payload);
  const bytes = Buffer.alloc(stringsAt + table.length + text.length);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes.writeUInt16LE(3, 16);
  bytes.writeUInt16LE(machine, 18);
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(2, 56);
  const segment = (index: number, type: number, offset: number, size: number): void => {
    const at = 64 + index * 56;
    bytes.writeUInt32LE(type, at);
    bytes.writeBigUInt64LE(BigInt(offset), at + 8);
    bytes.writeBigUInt64LE(BigInt(base + offset), at + 16);
    bytes.writeBigUInt64LE(BigInt(size), at + 32);
  };
  segment(0, 1, 0, bytes.length);
  segment(1, 2, dynamicAt, stringsAt - dynamicAt);
  [...named, [5, base + stringsAt] as const, [0, 0] as const].forEach(([tag, value], index) => {
    bytes.writeBigInt64LE(BigInt(tag), dynamicAt + index * 16);
    bytes.writeBigUInt64LE(BigInt(value), dynamicAt + index * 16 + 8);
  });
  table.copy(bytes, stringsAt);
  text.copy(bytes, stringsAt + table.length);
  return bytes;
}

export function writeElf(path: string, parts: ElfParts = {}): void {
  writeFileSync(path, elfBytes(parts));
}

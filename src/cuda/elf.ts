import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** What a shared object for a 64-bit, little-endian machine says of itself to the loader. */
export interface ElfLibrary {
  /** The processor that it is for; `other` for one that Node runs on nowhere here. */
  machine: 'x64' | 'arm64' | 'other';
  /** The name that others need it by; null where it has none. */
  soname: string | null;
  /** Names of the libraries that the loader must find before this one can be opened, in order. */
  needed: string[];
  /** Folders that the loader searches for them, `$ORIGIN` not yet replaced. */
  searchPaths: string[];
}

/** Why a file cannot be read as such a library. */
export type ElfProblem = 'unreadable' | 'not-elf' | 'not-64-bit' | 'damaged';

export type ElfResult = { library: ElfLibrary } | { problem: ElfProblem };

const HEADER_BYTES = 64;
const SEGMENT_BYTES = 56;
const ENTRY_BYTES = 16;
/** The largest numbers that real libraries come near; a damaged file may claim any. */
const MOST_SEGMENTS = 512;
const MOST_ENTRIES = 4096;
const MOST_NAME_BYTES = 4096;

const LOAD = 1;
const DYNAMIC = 2;
const TAG = { end: 0, needed: 1, strings: 5, soname: 14, rpath: 15, runpath: 29 };
const MACHINES: Readonly<Record<number, ElfLibrary['machine']>> = { 62: 'x64', 183: 'arm64' };

/** Thrown and caught in this file only. */
class Unfit extends Error {
  constructor(readonly problem: ElfProblem) {
    super(problem);
  }
}

/**
 * Reads the header, the segments and the dynamic section of a library: some kilobytes, however large
 * the file is.
 *
 * @param path of the file
 * @returns what it says, or why it cannot be read; never throws
 * @see System V Application Binary Interface, chapters 4 and 5
 */
export function readElf(path: string): ElfResult {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    return { library: libraryIn(file) };
  } catch (error) {
    return { problem: error instanceof Unfit ? error.problem : 'unreadable' };
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function libraryIn(file: number): ElfLibrary {
  if (!fstatSync(file).isFile()) throw new Unfit('unreadable');
  const header = Buffer.alloc(HEADER_BYTES);
  const length = readSync(file, header, 0, HEADER_BYTES, 0);
  if (length < 4 || header.readUInt32BE(0) !== 0x7f454c46) throw new Unfit('not-elf');
  if (length < HEADER_BYTES) throw new Unfit('damaged');
  if (header[4] !== 2 || header[5] !== 1) throw new Unfit('not-64-bit');
  const segments = segmentsOf(file, header);
  const entries = dynamicEntries(file, segments);
  const strings = entries.find(({ tag }) => tag === TAG.strings);
  const nameAt = (offset: number): string => {
    if (strings === undefined) throw new Unfit('damaged');
    return textAt(file, fileOffset(segments, strings.value) + offset);
  };
  const named = (...tags: number[]): string[] =>
    entries.filter(({ tag }) => tags.includes(tag)).map(({ value }) => nameAt(value));
  return {
    machine: MACHINES[header.readUInt16LE(18)] ?? 'other',
    soname: named(TAG.soname)[0] ?? null,
    needed: named(TAG.needed),
    searchPaths: named(TAG.rpath, TAG.runpath).flatMap((paths) =>
      paths.split(':').filter((each) => each !== ''),
    ),
  };
}

interface Segment {
  type: number;
  offset: number;
  address: number;
  size: number;
}

function segmentsOf(file: number, header: Buffer): Segment[] {
  const count = header.readUInt16LE(56);
  if (header.readUInt16LE(54) !== SEGMENT_BYTES || count > MOST_SEGMENTS)
    throw new Unfit('damaged');
  const table = bytesAt(file, wordAt(header, 32), count * SEGMENT_BYTES);
  return Array.from({ length: count }, (_, index) => {
    const start = index * SEGMENT_BYTES;
    return {
      type: table.readUInt32LE(start),
      offset: wordAt(table, start + 8),
      address: wordAt(table, start + 16),
      size: wordAt(table, start + 32),
    };
  });
}

function dynamicEntries(
  file: number,
  segments: readonly Segment[],
): { tag: number; value: number }[] {
  const dynamic = segments.find(({ type }) => type === DYNAMIC);
  // A program that was linked statically has none.
  if (dynamic === undefined) return [];
  const count = Math.floor(dynamic.size / ENTRY_BYTES);
  if (count > MOST_ENTRIES) throw new Unfit('damaged');
  const table = bytesAt(file, dynamic.offset, count * ENTRY_BYTES);
  const tags = Array.from({ length: count }, (_, index) =>
    Number(table.readBigInt64LE(index * ENTRY_BYTES)),
  );
  const end = tags.indexOf(TAG.end);
  const known = new Set(Object.values(TAG));
  return tags.slice(0, end === -1 ? count : end).flatMap((tag, index) =>
    // Values of other entries may be any bits.
    known.has(tag) ? [{ tag, value: wordAt(table, index * ENTRY_BYTES + 8) }] : [],
  );
}

/** Where in the file the byte lies that is loaded at an address. */
function fileOffset(segments: readonly Segment[], address: number): number {
  const segment = segments.find(
    (each) => each.type === LOAD && address >= each.address && address - each.address < each.size,
  );
  if (segment === undefined) throw new Unfit('damaged');
  return address - segment.address + segment.offset;
}

function textAt(file: number, offset: number): string {
  const bytes = Buffer.alloc(MOST_NAME_BYTES);
  if (!Number.isSafeInteger(offset)) throw new Unfit('damaged');
  const end = bytes.subarray(0, readSync(file, bytes, 0, MOST_NAME_BYTES, offset)).indexOf(0);
  if (end === -1) throw new Unfit('damaged');
  return bytes.toString('utf8', 0, end);
}

function bytesAt(file: number, offset: number, count: number): Buffer {
  const bytes = Buffer.alloc(count);
  if (readSync(file, bytes, 0, count, offset) < count) throw new Unfit('damaged');
  return bytes;
}

/** An unsigned number of 64 bits that counts bytes. */
function wordAt(bytes: Buffer, offset: number): number {
  const value = bytes.readBigUInt64LE(offset);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Unfit('damaged');
  return Number(value);
}

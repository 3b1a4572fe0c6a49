import { closeSync, openSync, readSync } from 'node:fs';
import { Readable } from 'node:stream';
import { openPromise, type Entry, type ZipFile } from 'yauzl';
import type { SetupOrigin } from '../../setupTypes.js';
import { checked } from './crc.js';
import {
  CORE_LIBRARY,
  providersOf,
  sourceError,
  type LibrarySource,
  type SourceFile,
} from './source.js';

const FOLDER = 'onnxruntime/capi/';
const METADATA = /^[^/]+\.dist-info\/METADATA$/;
/** Far more than wheels have; an archive may claim any number. */
const MOST_ENTRIES = 100_000;
const MOST_METADATA_BYTES = 4 << 20;
const MOST_LIBRARY_BYTES = 4 * 2 ** 30;

/**
 * Opens a wheel of onnxruntime-gpu. Only its directory and its metadata are read; names in it are
 * compared, and never become paths.
 *
 * @param needed the version that is needed, for what an error says
 * @throws AttnDiffError setup-source
 */
export async function openWheel(origin: SetupOrigin, needed: string): Promise<LibrarySource> {
  const { path } = origin;
  const zip = await opened(path);
  try {
    const entries = await entriesOf(zip, path);
    const metadata = [...entries.values()].find(({ fileName }) => METADATA.test(fileName));
    const { name, version } = metadata
      ? parseMetadata(await textOf(zip, metadata, path))
      : { name: null, version: null };
    const fileOf = (library: string): SourceFile => {
      const entry = entries.get(FOLDER + library);
      if (entry === undefined) throw missing(path, library, [...entries.keys()], name, needed);
      return memberOf(zip, entry, path, library);
    };
    const core = [...entries.keys()]
      .filter((key) => key.startsWith(FOLDER))
      .find((key) => CORE_LIBRARY.test(key.slice(FOLDER.length)));
    const providers = providersOf(fileOf);
    return {
      origin,
      version,
      core: fileOf(core?.slice(FOLDER.length) ?? `libonnxruntime.so.${version ?? needed}`),
      providers,
      close: () => zip.close(),
    };
  } catch (error) {
    zip.close();
    throw error;
  }
}

async function opened(path: string): Promise<ZipFile> {
  try {
    return await openPromise(path, { autoClose: false, lazyEntries: true });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== undefined) throw sourceError(path, { kind: 'unreadable', problem: code });
    if (!isArchive(path)) throw sourceError(path, { kind: 'not-archive' });
    const isCutOff = /end of central directory/i.test(message);
    const problem = isCutOff ? 'it is cut off, and the list of its members is missing' : message;
    throw sourceError(path, { kind: 'damaged', problem });
  }
}

/** Whether a file begins as archives do, so that one that cannot be opened was cut off. */
function isArchive(path: string): boolean {
  const file = openSync(path, 'r');
  try {
    const start = Buffer.alloc(4);
    return readSync(file, start, 0, 4, 0) === 4 && start.readUInt32BE(0) === 0x504b0304;
  } finally {
    closeSync(file);
  }
}

async function entriesOf(zip: ZipFile, path: string): Promise<Map<string, Entry>> {
  const damaged = (problem: string): Error => sourceError(path, { kind: 'damaged', problem });
  if (zip.entryCount > MOST_ENTRIES) throw damaged(`it claims ${zip.entryCount} members`);
  const entries = new Map<string, Entry>();
  try {
    for await (const entry of zip.eachEntry()) {
      if (entries.has(entry.fileName)) throw new Error(`it holds ${entry.fileName} twice`);
      entries.set(entry.fileName, entry);
    }
  } catch (error) {
    throw damaged((error as Error).message);
  }
  return entries;
}

function memberOf(zip: ZipFile, entry: Entry, path: string, name: string): SourceFile {
  const { uncompressedSize: bytes, crc32 } = entry;
  if (bytes > MOST_LIBRARY_BYTES) {
    throw sourceError(path, { kind: 'damaged', problem: `${name} claims ${bytes} bytes` });
  }
  const open = async (): Promise<Readable> => {
    const stream = await zip.openReadStreamPromise(entry);
    return Readable.from(checked(stream, crc32), { objectMode: false });
  };
  return { name, bytes, path: null, crc32, open };
}

async function textOf(zip: ZipFile, entry: Entry, path: string): Promise<string> {
  const problem = `its ${entry.fileName} cannot be read`;
  if (entry.uncompressedSize > MOST_METADATA_BYTES) {
    throw sourceError(path, { kind: 'damaged', problem });
  }
  try {
    const parts: Buffer[] = [];
    const stream = await memberOf(zip, entry, path, entry.fileName).open();
    for await (const part of stream as AsyncIterable<Buffer>) parts.push(part);
    return Buffer.concat(parts).toString('utf8');
  } catch (error) {
    const reason = (error as Error).message;
    throw sourceError(path, { kind: 'damaged', problem: `${problem}: ${reason}` });
  }
}

/** The headers that name a distribution; a description follows them. */
function parseMetadata(text: string): { name: string | null; version: string | null } {
  const [headers] = text.split(/\r?\n\r?\n/, 1);
  const value = (key: string): string | null =>
    new RegExp(`^${key}: *(.*?)\\s*$`, 'm').exec(headers!)?.[1] ?? null;
  return { name: value('Name'), version: value('Version') };
}

/** What a wheel is that lacks a library: of another platform, of another package, or incomplete. */
function missing(
  path: string,
  library: string,
  names: readonly string[],
  distribution: string | null,
  needed: string,
): Error {
  const has = (ending: string): boolean =>
    names.some((name) => name.startsWith(FOLDER) && name.endsWith(ending));
  if (has('.dll') || has('.pyd')) return sourceError(path, { kind: 'platform', found: 'Windows' });
  if (has('.dylib')) return sourceError(path, { kind: 'platform', found: 'macOS' });
  const isGpu = distribution !== null && /^onnxruntime[-_.]gpu$/i.test(distribution);
  return isGpu
    ? sourceError(path, { kind: 'missing', name: library, needed })
    : sourceError(path, { kind: 'no-provider', distribution, needed });
}

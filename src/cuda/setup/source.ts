import type { Readable } from 'node:stream';
import { AttnDiffError } from '../../errors.js';
import type { SetupOrigin, SourceFault } from '../../setupTypes.js';
import { PROVIDER_LIBRARIES, type ProviderLibrary } from '../providerFiles.js';

/** One file of a source. */
export interface SourceFile {
  name: string;
  bytes: number;
  /** Where it lies by itself; null inside an archive. */
  path: string | null;
  /** CRC-32 as the archive has it; null where only reading it tells. */
  crc32: number | null;
  /** A stream fails where the bytes are not those that the source promises. */
  open(): Promise<Readable>;
}

/** An onnxruntime-gpu from which the provider libraries can be taken. */
export interface LibrarySource {
  origin: SetupOrigin;
  /** Of onnxruntime; null where nothing names it. */
  version: string | null;
  /** The library whose build is compared with onnxruntime-node's. */
  core: SourceFile;
  providers: Readonly<Record<ProviderLibrary, SourceFile>>;
  close(): void;
}

/** The name of onnxruntime's own library, with its version. */
export const CORE_LIBRARY = /^libonnxruntime\.so\.(\d+\.\d+\.\d+)$/;

/** That libraries cannot be taken from a wheel or a folder. */
export function sourceError(path: string, fault: SourceFault): AttnDiffError<'setup-source'> {
  return new AttnDiffError('setup-source', { path, fault });
}

/**
 * The libraries of the provider in a source, looked for from the large one down: it is the one that
 * other packages lack.
 *
 * @param fileOf finds a file by its name, or throws
 */
export function providersOf(
  fileOf: (name: ProviderLibrary) => SourceFile,
): LibrarySource['providers'] {
  const names = PROVIDER_LIBRARIES.toReversed();
  return Object.fromEntries(
    names.map((name) => [name, fileOf(name)]),
  ) as LibrarySource['providers'];
}

import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';

/**
 * CRC-32 of a stream.
 *
 * @throws what the stream throws
 */
export async function crcOf(stream: Readable): Promise<number> {
  let sum = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) sum = crc32(chunk, sum);
  return sum;
}

/** CRC-32 of a file; null where it cannot be read. */
export async function crcOfFile(path: string): Promise<number | null> {
  try {
    return await crcOf(createReadStream(path));
  } catch {
    return null;
  }
}

/** The same bytes, with an error at the end where they are not those of this CRC-32. */
export async function* checked(stream: Readable, expected: number): AsyncGenerator<Buffer> {
  let sum = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    sum = crc32(chunk, sum);
    yield chunk;
  }
  if (sum !== expected) throw new Error('its checksum (CRC-32) is not that of the archive');
}

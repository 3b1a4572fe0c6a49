// Compresses or decompresses standard input: Node brings this, so that the machine with the GPU
// needs neither xz nor zstd. Quality 5 is a tenth larger than xz at most, and takes seconds.
//
//   node scripts/gpu/brotli.js compress|decompress
import { pipeline } from 'node:stream/promises';
import { constants, createBrotliCompress, createBrotliDecompress } from 'node:zlib';

const params = {
  [constants.BROTLI_PARAM_QUALITY]: 5,
  [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
};
const made = {
  compress: () => createBrotliCompress({ params }),
  decompress: () => createBrotliDecompress(),
};
const make = made[process.argv[2]];
if (make === undefined) {
  console.error('usage: node scripts/gpu/brotli.js compress|decompress < IN > OUT');
  process.exit(2);
}
await pipeline(process.stdin, make(), process.stdout);

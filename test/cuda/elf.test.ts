import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { readElf } from '../../src/cuda/elf.js';
import { bindingFolder } from '../../src/runners/providers.js';
import { elfBytes } from './elfFile.js';

const folder = mkdtempSync(join(tmpdir(), 'elf-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = join(folder, 'library.so');
const read = (bytes: Buffer): ReturnType<typeof readElf> => {
  writeFileSync(file, bytes);
  return readElf(file);
};

describe('reading a shared object', () => {
  it.runIf(process.platform === 'linux')("names what ONNX Runtime's own library needs", () => {
    const result = readElf(join(bindingFolder(), 'libonnxruntime.so.1'));
    // As readelf --dynamic prints them.
    expect(result).toMatchObject({ library: { soname: 'libonnxruntime.so.1' } });
    expect('library' in result && result.library.needed).toEqual(
      expect.arrayContaining(['libstdc++.so.6', 'libc.so.6']),
    );
    expect('library' in result && result.library.machine).toBe(process.arch);
  });

  it('keeps the order of what is needed, and splits search paths', () => {
    const parts = {
      needed: ['libcublas.so.13', 'libcudart.so.13'],
      soname: 'libx.so.1',
      runpath: '$ORIGIN:/opt/lib',
    };
    expect(read(elfBytes(parts))).toEqual({
      library: {
        machine: 'x64',
        soname: 'libx.so.1',
        needed: ['libcublas.so.13', 'libcudart.so.13'],
        searchPaths: ['$ORIGIN', '/opt/lib'],
      },
    });
    expect(read(elfBytes({ machine: 183 }))).toMatchObject({ library: { machine: 'arm64' } });
    expect(read(elfBytes({ machine: 8 }))).toMatchObject({ library: { machine: 'other' } });
  });

  it('says why a file is no such library', () => {
    expect(readElf(join(folder, 'none.so'))).toEqual({ problem: 'unreadable' });
    expect(readElf(folder)).toEqual({ problem: 'unreadable' });
    expect(read(Buffer.from(''))).toEqual({ problem: 'not-elf' });
    expect(read(Buffer.from('INPUT(libcublas.so.13)'))).toEqual({ problem: 'not-elf' });
    const narrow = elfBytes({});
    narrow[4] = 1;
    expect(read(narrow)).toEqual({ problem: 'not-64-bit' });
    expect(read(elfBytes({ needed: ['libc.so.6'] }).subarray(0, 200))).toEqual({
      problem: 'damaged',
    });
  });

  it('reads damaged files without throwing, and without reading more than the file has', () => {
    const whole = elfBytes({ needed: ['liba.so', 'libb.so'], soname: 'libc.so' });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 12 }),
        fc.nat(whole.length),
        (changes, length) => {
          const bytes = Buffer.from(whole);
          for (const [at, value] of changes) bytes[at] = value;
          const result = read(bytes.subarray(0, length));
          expect('library' in result ? 'library' : result.problem).toMatch(
            /^(library|unreadable|not-elf|not-64-bit|damaged)$/,
          );
        },
      ),
      { seed: 14, numRuns: 300 },
    );
  });
});

import { chmodSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { cleanups } from '../../../src/cuda/setup/cleanups.js';
import type { Surroundings } from '../../../src/cuda/setup/index.js';
import { DISK } from '../../../src/cuda/setup/place.js';
import { setupNoticeText } from '../../../src/report/setup.js';
import { elfBytes } from '../elfFile.js';

export const VERSION = '1.30.0';
export const COMMIT = 'f2c39fe2f';
export const SHARED = 'libonnxruntime_providers_shared.so';
export const CUDA = 'libonnxruntime_providers_cuda.so';
const CAPI = 'onnxruntime/capi/';

interface Build {
  version?: string;
  commit?: string | null;
  machine?: number;
  cuda?: number | null;
  name?: string;
}

/** The library with the text that says what it was built from, between other bytes. */
export function coreLibrary(commit: string | null = COMMIT, machine = 62): Buffer {
  const info = commit === null ? '' : `, git-commit-id=${commit}, build type=Release`;
  const payload = `git-commit-id=0000000\0${'x'.repeat(200_000)}\0ORT Build Info: git-branch=HEAD${info}\0more`;
  return elfBytes({ soname: 'libonnxruntime.so.1', machine, payload });
}

/** The libraries of an onnxruntime-gpu, by their names. */
export function libraries({
  version = VERSION,
  commit = COMMIT,
  machine = 62,
  cuda = 13,
}: Build = {}): Record<string, Buffer> {
  const needed =
    cuda === null ? ['libc.so.6'] : ['libcublas.so.13', `libcudart.so.${cuda}`, 'libc.so.6'];
  return {
    [`libonnxruntime.so.${version}`]: coreLibrary(commit, machine),
    [SHARED]: elfBytes({ machine, payload: 'shared' }),
    [CUDA]: elfBytes({ machine, needed, payload: 'kernel '.repeat(20_000) }),
  };
}

/** The members of a wheel. */
export function members(build: Build = {}): Record<string, Buffer> {
  const { name = 'onnxruntime-gpu', version = VERSION } = build;
  const files = Object.entries(libraries(build)).map(([file, bytes]) => [CAPI + file, bytes]);
  return {
    ...(Object.fromEntries(files) as Record<string, Buffer>),
    'onnxruntime_gpu.dist-info/METADATA': Buffer.from(
      `Metadata-Version: 2.4\nName: ${name}\nVersion: ${version}\n\nVersion: 9\n`,
    ),
  };
}

/** What an archive says of a member, where that is not the truth. */
interface Lie {
  crc32?: number;
  bytes?: number;
  method?: number;
  flags?: number;
}

/** A zip archive, written by the book. */
export function zipBytes(files: Record<string, Buffer>, lies: Record<string, Lie> = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [key, content] of Object.entries(files)) {
    const packed = deflateRawSync(content);
    const {
      crc32: sum = crc32(content),
      bytes = content.length,
      method = 8,
      flags = 0,
    } = lies[key] ?? {};
    const name = Buffer.from(key);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(flags, 2);
    fields.writeUInt16LE(method, 4);
    fields.writeUInt32LE(sum, 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(bytes, 18);
    fields.writeUInt16LE(name.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    parts.push(Buffer.from('PK\u0003\u0004'), fields, name, packed);
    directory.push(Buffer.from('PK\u0001\u0002'), Buffer.from([20, 3]), fields, tail, name);
    offset += 30 + name.length + packed.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(Object.keys(files).length, 4);
  end.writeUInt16LE(Object.keys(files).length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, central, Buffer.from('PK\u0005\u0006'), end]);
}

/** A machine in a folder: onnxruntime-node's library, and programs of the test's own. */
export class Machine {
  readonly root = mkdtempSync(join(tmpdir(), 'setup-'));
  readonly folder = join(this.root, 'binding');
  readonly said: string[] = [];
  readonly undo = cleanups();

  constructor(commit: string | null = COMMIT) {
    this.write('binding/libonnxruntime.so.1', coreLibrary(commit));
  }

  write(name: string, content: Buffer | string): string {
    const path = join(this.root, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  /** A folder with the libraries in it; returns its path. */
  unpacked(name: string, files: Record<string, Buffer>): string {
    mkdirSync(join(this.root, name), { recursive: true });
    for (const [key, content] of Object.entries(files)) this.write(join(name, key), content);
    return join(this.root, name);
  }

  wheel(files: Record<string, Buffer> = members(), lies: Record<string, Lie> = {}): string {
    return this.write('onnxruntime_gpu.whl', zipBytes(files, lies));
  }

  /** A program on PATH. */
  program(name: string, script: string): string {
    const path = this.write(join('bin', name), `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  /** What lies beside onnxruntime-node's library, temporary files included. */
  placed(): string[] {
    return readdirSync(this.folder)
      .filter((name) => name !== 'libonnxruntime.so.1')
      .toSorted();
  }

  surroundings(other: Partial<Surroundings> = {}): Surroundings {
    return {
      platform: 'linux',
      arch: 'x64',
      folder: this.folder,
      version: VERSION,
      env: { PATH: `${join(this.root, 'bin')}:/usr/bin:/bin` },
      disk: DISK,
      pythons: () => Promise.resolve({ sites: [], interpreter: null }),
      driverCuda: () => Promise.resolve(null),
      undo: this.undo,
      notice: (notice) => this.said.push(setupNoticeText(notice).replaceAll(this.root, '')),
      ...other,
    };
  }
}

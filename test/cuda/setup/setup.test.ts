import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { removeCuda, setUpCuda, type Surroundings } from '../../../src/cuda/setup/index.js';
import { DISK } from '../../../src/cuda/setup/place.js';
import { AttnDiffError } from '../../../src/errors.js';
import { errorText } from '../../../src/report/errorText.js';
import type { SetupOutcome } from '../../../src/setupTypes.js';
import { COMMIT, CUDA, libraries, Machine, members, SHARED, VERSION, zipBytes } from './tree.js';

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => rmSync(machine.root, { recursive: true }));

const ALL = ['attn-diff-setup.json', CUDA, SHARED];

async function setUp(
  from: string | null,
  other: Partial<Surroundings> = {},
  isDryRun = false,
): Promise<SetupOutcome> {
  return setUpCuda({ from, isDryRun }, machine.surroundings(other));
}

/** The line that a user reads where setup fails, and the exit code. */
async function failure(
  from: string | null,
  other: Partial<Surroundings> = {},
  isDryRun = false,
): Promise<[number, string]> {
  try {
    await setUp(from, other, isDryRun);
  } catch (error) {
    if (error instanceof AttnDiffError)
      return [error.exitCode, errorText(error).replaceAll(machine.root, '')];
    throw error;
  }
  throw new Error('it was set up');
}

/** That setup refuses, and that nothing has come to lie in the folder. */
async function expectRefusal(
  code: number,
  text: string,
  from: string | null,
  other: Partial<Surroundings> = {},
): Promise<void> {
  const before = machine.placed();
  const [exitCode, line] = await failure(from, other);
  expect(line).toContain(text);
  expect(exitCode).toBe(code);
  expect(machine.placed()).toEqual(before);
}

function expectPlaced(files = libraries()): void {
  expect(machine.placed()).toEqual(ALL);
  for (const name of [CUDA, SHARED])
    expect(readFileSync(join(machine.folder, name)).equals(files[name]!)).toBe(true);
}

describe('setup from a wheel', () => {
  it('puts both libraries beside the runtime, and says of what build they are', async () => {
    const path = machine.wheel();
    const outcome = await setUp(path);
    expect(outcome).toMatchObject({
      kind: 'placed',
      isDryRun: false,
      isReplacing: false,
      driverCuda: null,
      libraries: { origin: { kind: 'wheel', path }, version: VERSION, commit: COMMIT, cuda: 13 },
    });
    expectPlaced();
  });

  it('does nothing where the same are there, and replaces others', async () => {
    const path = machine.wheel();
    await setUp(path);
    expect(await setUp(path)).toEqual({
      kind: 'same',
      commit: COMMIT,
      cuda: 13,
      folder: machine.folder,
    });
    writeFileSync(join(machine.folder, CUDA), 'another');
    expect(await setUp(path)).toMatchObject({ kind: 'placed', isReplacing: true });
    expectPlaced();
  });

  it('knows without --from what an earlier setup has put there, until a file or the runtime changes', async () => {
    await setUp(machine.wheel());
    expect(await setUp(null)).toMatchObject({ kind: 'same', commit: COMMIT, cuda: 13 });
    truncateSync(join(machine.folder, SHARED), 5);
    expect(await setUp(null, {}, true)).toMatchObject({ kind: 'download' });
    await setUp(machine.wheel());
    machine.write('binding/libonnxruntime.so.1', 'ORT Build Info: git-commit-id=abcdef123,');
    expect(await setUp(null, {}, true)).toMatchObject({ kind: 'download' });
  });

  it('changes nothing in a dry run, and leaves no temporary file', async () => {
    const path = machine.wheel();
    expect(await setUp(path, {}, true)).toMatchObject({
      kind: 'placed',
      isDryRun: true,
      libraries: { cuda: 13 },
    });
    expect(machine.placed()).toEqual([]);
  });

  it('takes a version of its own packaging, and a commit that is written longer', async () => {
    const bytes = members({ commit: `${COMMIT}0123` });
    expect(
      await setUp(
        machine.wheel({
          ...bytes,
          'onnxruntime_gpu.dist-info/METADATA': Buffer.from(
            `Name: onnxruntime-gpu\nVersion: ${VERSION}+cu13\n\n`,
          ),
        }),
      ),
    ).toMatchObject({ kind: 'placed' });
  });

  it.each([
    [
      'of another version',
      { version: '1.29.1' },
      'it is version 1.29.1, but onnxruntime-node is 1.30.0. Get the wheel of onnxruntime-gpu 1.30.0',
    ],
    [
      'of another commit',
      { commit: 'abcdef123' },
      'it was built from commit abcdef123, but onnxruntime-node from f2c39fe2f',
    ],
    ['that names no commit', { commit: null }, 'libonnxruntime.so.1.30.0 does not name the commit'],
    [
      'for another processor, whatever its name says',
      { machine: 183 },
      'its libraries are for arm64, not for Linux x64',
    ],
  ])('refuses one %s', async (_, build, text) => {
    await expectRefusal(2, text, machine.wheel(members(build)));
  });

  it('refuses one without the provider, without a library, and for Windows', async () => {
    const { [`onnxruntime/capi/${CUDA}`]: _cuda, ...cpu } = members({ name: 'onnxruntime' });
    await expectRefusal(2, 'it holds onnxruntime, which has no CUDA provider', machine.wheel(cpu));
    const { [`onnxruntime/capi/${SHARED}`]: _shared, ...incomplete } = members();
    await expectRefusal(2, `it lacks ${SHARED}`, machine.wheel(incomplete));
    const { 'onnxruntime/capi/libonnxruntime.so.1.30.0': _core, ...coreless } = members();
    await expectRefusal(2, 'it lacks libonnxruntime.so.1.30.0', machine.wheel(coreless));
    await expectRefusal(
      2,
      'its libraries are for Windows',
      machine.wheel({ ...cpu, 'onnxruntime/capi/onnxruntime.dll': Buffer.from('MZ') }),
    );
    await expectRefusal(
      2,
      'it does not hold onnxruntime-gpu',
      machine.wheel({ 'a.txt': Buffer.from('a') }),
    );
  });

  it('refuses one whose libraries are something else', async () => {
    await expectRefusal(
      2,
      `${CUDA} is not a library`,
      machine.wheel({ ...members(), [`onnxruntime/capi/${CUDA}`]: Buffer.from('../../secret') }),
    );
  });

  it.each([
    [
      'cut off',
      (bytes: Buffer) => bytes.subarray(0, bytes.length - 400),
      'it is damaged: it is cut off',
    ],
    ['cut off early', (bytes: Buffer) => bytes.subarray(0, 1000), 'it is damaged: it is cut off'],
    ['empty', () => Buffer.alloc(0), 'neither a wheel (a zip archive) nor a folder'],
    [
      'text',
      () => Buffer.from('<html>not found</html>'.repeat(100)),
      'neither a wheel (a zip archive) nor a folder',
    ],
  ])('refuses a file that is %s', async (_, spoil, text) => {
    await expectRefusal(2, text, machine.write('a.whl', spoil(zipBytes(members()))));
  });

  it.each([
    ['a member with other bytes', { crc32: 7 }, `${CUDA}: its checksum`],
    ['a member shorter than it claims', { bytes: 900_000 }, `${CUDA}: `],
    ['a member longer than it claims', { bytes: 10 }, `${CUDA}: `],
    ['a member of four gigabytes', { bytes: 0xfffffff0 }, CUDA],
    [
      'a member that is packed in another way',
      { method: 14 },
      `${CUDA}: unsupported compression method`,
    ],
    ['a member that is encrypted', { flags: 1 }, `${CUDA}: entry is encrypted`],
  ])('refuses an archive with %s', async (_, lie, text) => {
    const [exitCode, line] = await failure(
      machine.wheel(members(), { [`onnxruntime/capi/${CUDA}`]: lie }),
      { disk: { ...DISK, freeBytes: () => Infinity } },
    );
    expect(line).toMatch(/it is damaged: .*Copy or download it again\.$/);
    expect(line).toContain(text);
    expect(exitCode).toBe(2);
    expect(machine.placed()).toEqual([]);
  });

  it('refuses an archive with a member that is cut off in the middle', async () => {
    const bytes = zipBytes(members());
    const start = bytes.indexOf(`onnxruntime/capi/${CUDA}`) + CUDA.length + 40;
    bytes.fill(0xff, start, start + 30);
    await expectRefusal(2, `it is damaged: ${CUDA}: `, machine.write('a.whl', bytes));
  });

  it('refuses names that lead out of the archive, and names that come twice', async () => {
    await expectRefusal(
      2,
      'it is damaged',
      machine.wheel({ ...members(), '../../evil.so': Buffer.from('x') }),
    );
    await expectRefusal(
      2,
      'it is damaged',
      machine.wheel({ ...members(), '/etc/evil.so': Buffer.from('x') }),
    );
    const twice = zipBytes({ ...members(), [`onnxruntime/capj/${CUDA}`]: Buffer.from('x') });
    const renamed = Buffer.from(twice.toString('latin1').replaceAll('capj', 'capi'), 'latin1');
    await expectRefusal(
      2,
      `it holds onnxruntime/capi/${CUDA} twice`,
      machine.write('a.whl', renamed),
    );
  });

  it('refuses what is not there, and what is no file', async () => {
    await expectRefusal(
      2,
      '/none.whl: it cannot be read: no such file or folder',
      join(machine.root, 'none.whl'),
    );
    await expectRefusal(2, '/dev/null: it is neither a wheel', '/dev/null');
  });
});

describe('setup from a folder', () => {
  it.each([
    ['with the libraries in it', 'libs'],
    ['that a wheel was unpacked in', 'site/onnxruntime/capi'],
  ])('takes one %s', async (_, name) => {
    machine.unpacked(name, libraries());
    const path = join(machine.root, name.split('/')[0]!);
    expect(await setUp(path, {}, true)).toMatchObject({
      kind: 'placed',
      isDryRun: true,
      libraries: { cuda: 13 },
    });
    expect(machine.placed()).toEqual([]);
    expect(await setUp(path)).toMatchObject({
      kind: 'placed',
      libraries: { origin: { kind: 'folder', path }, version: VERSION, commit: COMMIT },
    });
    expectPlaced();
    expect(await setUp(path)).toMatchObject({ kind: 'same' });
  });

  it('refuses one whose build cannot be checked, or is another', async () => {
    const { 'libonnxruntime.so.1.30.0': _core, ...providers } = libraries();
    await expectRefusal(
      2,
      'it lacks libonnxruntime.so.1.30.0. Give the whole folder onnxruntime/capi',
      machine.unpacked('providers', providers),
    );
    await expectRefusal(
      2,
      'it is version 1.29.1',
      machine.unpacked('old', libraries({ version: '1.29.1' })),
    );
    await expectRefusal(
      2,
      'built from commit 1234567',
      machine.unpacked('other', libraries({ commit: '1234567' })),
    );
    await expectRefusal(2, 'for arm64', machine.unpacked('arm', libraries({ machine: 183 })));
    await expectRefusal(2, `it lacks ${CUDA}`, machine.unpacked('empty', {}));
    await expectRefusal(
      2,
      'it holds onnxruntime, which has no CUDA provider',
      machine.unpacked('cpu', { 'onnxruntime_pybind11_state.so': Buffer.from('x') }),
    );
  });

  it('refuses one in which a folder has the name of a library', async () => {
    const path = machine.unpacked('odd', libraries());
    rmSync(join(path, SHARED));
    mkdirSync(join(path, SHARED));
    await expectRefusal(2, `${SHARED} is not a library`, path);
  });

  it('copies what links lead to', async () => {
    const path = machine.unpacked('linked', libraries());
    renameSync(join(path, CUDA), join(machine.root, 'elsewhere.so'));
    symlinkSync(join(machine.root, 'elsewhere.so'), join(path, CUDA));
    await setUp(path);
    expectPlaced();
  });
});

describe('the driver', () => {
  it('must support the CUDA that the provider needs', async () => {
    const driverCuda = (): Promise<string> => Promise.resolve('12.8');
    await expectRefusal(
      4,
      'the provider needs CUDA 13, but the driver supports 12.8 at most. Install a driver for CUDA 13, or take the provider for CUDA 12: ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install',
      machine.wheel(),
      { driverCuda },
    );
    await expectRefusal(4, 'needs CUDA 13', machine.unpacked('libs', libraries()), { driverCuda });
    expect(await setUp(machine.wheel(members({ cuda: 12 })), { driverCuda })).toMatchObject({
      kind: 'placed',
      driverCuda: '12.8',
      libraries: { cuda: 12 },
    });
  });
});

describe('the folder of onnxruntime-node', () => {
  it('is refused on another platform', async () => {
    await expectRefusal(
      4,
      'onnxruntime-node has no CUDA provider for linux-arm64',
      machine.wheel(),
      { arch: 'arm64' },
    );
    await expectRefusal(4, 'win32-x64', machine.wheel(), { platform: 'win32' });
  });

  it('must name the commit of its own library', async () => {
    machine.write('binding/libonnxruntime.so.1', 'x'.repeat(100_000));
    await expectRefusal(
      4,
      "/binding/libonnxruntime.so.1: onnxruntime-node's library does not name the commit",
      machine.wheel(),
    );
    rmSync(join(machine.folder, 'libonnxruntime.so.1'));
    await expectRefusal(4, 'cannot be read: no such file or folder (ENOENT)', machine.wheel());
  });

  it('is refused before anything else where it cannot be written', async () => {
    const isRoot = process.geteuid!() === 0;
    // The system asks for a dry run who started the process, who cannot be changed here.
    const asNobody = async (work: () => Promise<void>): Promise<void> => {
      if (isRoot) process.seteuid!(65534);
      try {
        await work();
      } finally {
        if (isRoot) process.seteuid!(0);
      }
    };
    chmodSync(machine.root, 0o755);
    chmodSync(machine.folder, 0o555);
    const path = join(machine.root, 'never-read.whl');
    const pythons = (): never => {
      throw new Error('asked');
    };
    await asNobody(async () => {
      for (const from of [path, null]) {
        for (const isDryRun of isRoot ? [false] : [true, false]) {
          expect(await failure(from, { pythons }, isDryRun)).toEqual([
            4,
            '/binding: the libraries cannot be put there or removed: no permission (EACCES). Run it as the user who installed attn-diff, or install attn-diff in a folder of your own and run it from there.',
          ]);
        }
      }
    });
    chmodSync(machine.folder, 0o755);
  });

  it('is full: nothing of what was begun stays', async () => {
    await expectRefusal(
      4,
      'the disk is full (ENOSPC). Make room there; nothing was changed',
      machine.wheel(),
      { disk: { ...DISK, freeBytes: () => 100_000 } },
    );
    let left = 60_000;
    const createWriteStream = (path: string): Writable => {
      const file = DISK.createWriteStream(path);
      const write = file.write.bind(file) as (chunk: Buffer) => boolean;
      file.write = ((chunk: Buffer) => {
        left -= chunk.length;
        if (left < 0) file.destroy(Object.assign(new Error('full'), { code: 'ENOSPC' }));
        return left < 0 ? false : write(chunk);
      }) as typeof file.write;
      return file;
    };
    await expectRefusal(4, 'the disk is full (ENOSPC)', machine.wheel(), {
      disk: { ...DISK, createWriteStream },
    });
    left = 60_000;
    await expectRefusal(4, 'the disk is full (ENOSPC)', machine.unpacked('libs', libraries()), {
      disk: { ...DISK, createWriteStream },
    });
  });

  it('is as it was where setup is interrupted', async () => {
    const path = machine.wheel();
    await setUp(path);
    writeFileSync(join(machine.folder, CUDA), 'an older one');
    const before = machine.placed();
    let seen: string[] = [];
    const driverCuda = (): Promise<never> => {
      machine.undo.run();
      seen = machine.placed();
      throw new Error('ended');
    };
    await expect(setUp(path, { driverCuda })).rejects.toThrow('ended');
    expect(seen).toEqual(before);
    expect(readFileSync(join(machine.folder, CUDA), 'utf8')).toBe('an older one');
  });
});

describe('setup without a source', () => {
  const python = (...folders: string[]) => ({
    pythons: () =>
      Promise.resolve({
        sites: folders.map((folder) => ({ folder, origin: 'python3' as const })),
        interpreter: 'python3',
      }),
  });

  it('uses an installed one that fits, and says which it passes over', async () => {
    machine.unpacked('old/onnxruntime/capi', libraries({ version: '1.20.0' }));
    machine.unpacked('fits/onnxruntime/capi', libraries());
    const folders = ['none', 'old', 'fits'].map((name) => join(machine.root, name));
    const outcome = await setUp(null, python(...folders));
    expect(outcome).toMatchObject({
      kind: 'placed',
      libraries: { origin: { kind: 'python', path: join(machine.root, 'fits/onnxruntime/capi') } },
    });
    expect(machine.said).toEqual([
      'not used: /old/onnxruntime/capi: it is version 1.20.0, but onnxruntime-node is 1.30.0',
    ]);
    expectPlaced();
  });

  it('downloads nothing in a dry run', async () => {
    machine.program('python3', 'exit 99');
    expect(await setUp(null, python(), true)).toEqual({
      kind: 'download',
      version: VERSION,
      folder: machine.folder,
    });
    expect(machine.said).toEqual([]);
  });

  it('has pip download the version of the runtime, and removes the download', async () => {
    const wheel = machine.wheel();
    const log = join(machine.root, 'asked');
    machine.program(
      'python3',
      `echo "$@" > ${log}; echo "$TMPDIR" > ${log}.folder\nwhile [ "$1" != --dest ]; do shift; done; cp ${wheel} "$2"/a.whl`,
    );
    expect(await setUp(null, python())).toMatchObject({
      kind: 'placed',
      libraries: { origin: { kind: 'pip' } },
    });
    expectPlaced();
    expect(machine.said).toEqual([
      `python3 -m pip downloads onnxruntime-gpu ${VERSION}, some 250 MB, into a temporary folder`,
    ]);
    expect(readFileSync(log, 'utf8')).toMatch(
      /^-m pip download --no-deps --only-binary=:all: .*--platform manylinux_2_28_x86_64 .* onnxruntime-gpu==1\.30\.0\n$/,
    );
    expect(existsSync(readFileSync(`${log}.folder`, 'utf8').trim())).toBe(false);
  });

  it('checks what pip brings as any other wheel', async () => {
    const wheel = machine.wheel(members({ commit: 'abcdef123' }));
    machine.program('python3', `while [ "$1" != --dest ]; do shift; done; cp ${wheel} "$2"/a.whl`);
    await expectRefusal(2, 'built from commit abcdef123', null, python());
  });

  it.each([
    [
      'no pip',
      '/usr/bin/python3: No module named pip',
      'it has no pip. Install pip for it, or onnxruntime-gpu itself, or give --from',
    ],
    [
      'no network',
      "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(Failed to establish a new connection)'\nERROR: Could not find a version that satisfies the requirement\nERROR: No matching distribution found for onnxruntime-gpu==1.30.0",
      'the package index cannot be reached. Check the network and the proxy, or give --from',
    ],
    [
      'no such wheel',
      'ERROR: No matching distribution found for onnxruntime-gpu==1.30.0',
      'the package index has no such wheel: No matching distribution found for onnxruntime-gpu==1.30.0. Check which index',
    ],
    [
      'no room',
      'ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device',
      'the disk is full. Set TMPDIR',
    ],
    ['another fault', 'ERROR: something else\nsee the log', 'it failed: something else. Mend that'],
  ])('says what helps where pip fails: %s', async (_, complaint, text) => {
    machine.write('complaint', complaint);
    machine.program('python3', `cat ${join(machine.root, 'complaint')} >&2; exit 1`);
    await expectRefusal(4, text, null, python());
  });

  it('says so where there is no Python, where pip writes nothing, and where it cannot be started', async () => {
    await expectRefusal(
      4,
      'there is no python3 to download it with. Install Python with pip, or give --from',
      null,
    );
    machine.program('python3', 'exit 0');
    await expectRefusal(4, 'pip wrote no wheel', null, python());
    const missing = { pythons: () => Promise.resolve({ sites: [], interpreter: '/none/python3' }) };
    await expectRefusal(4, 'ENOENT', null, missing);
  });
});

describe('removal', () => {
  it('removes what setup has put there, and says when there is nothing', async () => {
    await setUp(machine.wheel());
    const outcome = removeCuda(true, machine.surroundings());
    expect(outcome).toMatchObject({ kind: 'removed', isDryRun: true });
    expect(machine.placed()).toEqual(ALL);
    const removed = removeCuda(false, machine.surroundings());
    expect(removed.kind === 'removed' && removed.files.map(({ name }) => name).toSorted()).toEqual(
      ALL,
    );
    expect(machine.placed()).toEqual([]);
    expect(removeCuda(false, machine.surroundings())).toMatchObject({ files: [] });
  });
});

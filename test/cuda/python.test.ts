import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findPythons } from '../../src/cuda/python.js';

const root = mkdtempSync(join(tmpdir(), 'python-'));
afterAll(() => rmSync(root, { recursive: true }));

function folder(...parts: string[]): string {
  const path = join(root, ...parts);
  mkdirSync(path, { recursive: true });
  return path;
}

/** A program of the name that runs a line of shell. */
function program(bin: string, name: string, line: string): void {
  const path = join(folder(bin), name);
  writeFileSync(path, `#!/bin/sh\n${line}\n`);
  chmodSync(path, 0o755);
}

const listing = (...paths: string[]): string => `echo '${JSON.stringify(['', ...paths])}'`;

describe.skipIf(process.platform === 'win32')('finding the package folders of Python', () => {
  const system = folder('system', 'dist-packages');
  const own = folder('venv', 'lib', 'python3.11', 'site-packages');

  it('asks the active environment first, and names no folder twice', async () => {
    program('venv/bin', 'python', listing(own, join(root, 'none'), join(root, 'venv.zip')));
    program('bin', 'python3', listing(system, own));
    const env = { VIRTUAL_ENV: join(root, 'venv'), PATH: join(root, 'bin') };
    expect(await findPythons(env)).toEqual({
      sites: [
        { folder: own, origin: 'VIRTUAL_ENV' },
        { folder: system, origin: 'python3' },
      ],
      interpreter: join(root, 'venv', 'bin', 'python'),
    });
  });

  it('takes the folder of an environment whose interpreter does not answer', async () => {
    const conda = folder('conda', 'lib', 'python3.12', 'site-packages');
    expect(await findPythons({ CONDA_PREFIX: join(root, 'conda'), PATH: folder('empty') })).toEqual(
      {
        sites: [{ folder: conda, origin: 'CONDA_PREFIX' }],
        interpreter: null,
      },
    );
  });

  it.each([
    ['fails', `${listing(system)}; exit 1`],
    ['prints something else', 'echo Python 2.7'],
    ['prints no list', `echo '{"paths": []}'`],
    ['prints a list of other things', "echo '[1, null]'"],
  ])('goes on where python3 %s', async (_, line) => {
    program('odd', 'python3', line);
    program('odd', 'python', listing(system));
    expect(await findPythons({ PATH: join(root, 'odd') })).toEqual({
      sites: [{ folder: system, origin: 'python' }],
      interpreter: 'python',
    });
  });
});

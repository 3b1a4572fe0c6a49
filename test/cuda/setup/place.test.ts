import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { putInPlace } from '../../../src/cuda/setup/place.js';
import { CUDA, Machine, SHARED } from './tree.js';

describe('putting files in place', () => {
  it('takes back what it has done where one of them cannot be', () => {
    const machine = new Machine();
    onTestFinished(() => rmSync(machine.root, { recursive: true }));
    const names = [SHARED, CUDA];
    for (const name of names) machine.write(`binding/${name}`, 'old');
    const path = machine.write('binding/.new', 'new');
    const staged = [
      { name: SHARED, path, release: () => undefined },
      { name: CUDA, path: join(machine.folder, 'none'), release: () => undefined },
    ];
    expect(() => putInPlace(machine.folder, staged)).toThrow('setup-folder');
    expect(machine.placed()).toEqual(['.new', CUDA, SHARED]);
    for (const name of names) expect(readFileSync(join(machine.folder, name), 'utf8')).toBe('old');
  });
});

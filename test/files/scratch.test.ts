import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { ownOwner, type Owner } from '../../src/files/owner.js';
import { clearStaleScratch, openScratch } from '../../src/files/scratch.js';
import { clearStale, temporaryBeside, writeWhole } from '../../src/files/temporary.js';

const root = mkdtempSync(join(tmpdir(), 'attn-diff-files-'));
afterAll(() => rmSync(root, { recursive: true }));
afterEach(() => void vi.unstubAllEnvs());

const HOUR = 3_600_000;

function folder(name: string): string {
  mkdirSync(join(root, name));
  return join(root, name);
}

/** A folder as one that was killed leaves it. */
function left(parent: string, name: string, owner: Partial<Owner> | null, hoursAgo = 0): void {
  const path = join(parent, name);
  mkdirSync(path);
  writeFileSync(join(path, 'profile.json'), '[');
  if (owner) writeFileSync(join(path, 'owner.json'), JSON.stringify({ ...ownOwner(), ...owner }));
  const then = new Date(Date.now() - hoursAgo * HOUR);
  utimesSync(path, then, then);
}

describe('the folder for temporary files', () => {
  it('is a new one each time, and is removed with all that is in it', () => {
    vi.stubEnv('TMPDIR', folder('own'));
    const [one, other] = [openScratch(), openScratch()];
    expect(one.path).not.toBe(other.path);
    writeFileSync(join(one.path, 'profile.json'), '[');
    one.remove();
    other.remove();
    expect(readdirSync(join(root, 'own'))).toEqual([]);
  });

  it.each([
    ['missing', 'ENOENT'],
    ['file', 'ENOTDIR'],
  ])('that cannot be made is an error that names TMPDIR: %s', (name, problem) => {
    if (name === 'file') writeFileSync(join(root, name), '');
    vi.stubEnv('TMPDIR', join(root, name));
    expect(openScratch).toThrow(
      expect.objectContaining({
        code: 'temporary-folder',
        exitCode: 2,
        args: {
          path: join(root, name),
          variable: process.platform === 'win32' ? 'TEMP' : 'TMPDIR',
          problem,
        },
      }),
    );
  });

  it('is cleared of what killed processes have left, and of nothing else', () => {
    const parent = folder('stale');
    left(parent, 'attn-diff-killed', { pid: 999_999_999 });
    left(parent, 'attn-diff-reused', { started: '1' });
    left(parent, 'attn-diff-remote', { host: 'elsewhere' }, 25);
    left(parent, 'attn-diff-distnt', { host: 'elsewhere' }, 2);
    left(parent, 'attn-diff-living', {}, 1000);
    left(parent, 'attn-diff-nobody', null, 1000);
    left(parent, 'attn-diff-another-name', { pid: 999_999_999 });
    symlinkSync(join(parent, 'attn-diff-another-name'), join(parent, 'attn-diff-linked'));
    clearStaleScratch(parent);
    expect(readdirSync(parent).toSorted()).toEqual([
      'attn-diff-another-name',
      'attn-diff-distnt',
      'attn-diff-linked',
      'attn-diff-living',
      'attn-diff-nobody',
    ]);
  });
});

describe('a file that is written whole', () => {
  it('has a name beside it that nothing else has, however long its own', () => {
    const path = join(root, 'x'.repeat(255));
    expect(temporaryBeside(path)).not.toBe(temporaryBeside(path));
    writeWhole(path, 'all of it');
    expect(existsSync(path)).toBe(true);
  });

  it('leaves nothing where it cannot be written', () => {
    const parent = folder('unwritable');
    mkdirSync(join(parent, 'report.txt'));
    expect(() => writeWhole(join(parent, 'report.txt'), 'text')).toThrow('EISDIR');
    expect(readdirSync(parent)).toEqual(['report.txt']);
  });

  it('is no longer in the way an hour after its writer was killed', () => {
    const parent = folder('killed');
    const [old, young] = [temporaryBeside(join(parent, 'a')), temporaryBeside(join(parent, 'a'))];
    for (const path of [old, young, join(parent, '.attn-diff-mine.tmp')]) writeFileSync(path, '');
    for (const path of [old, join(parent, '.attn-diff-mine.tmp')])
      utimesSync(path, new Date(0), new Date(0));
    clearStale(parent);
    expect(
      readdirSync(parent)
        .map((name) => join(parent, name))
        .toSorted(),
    ).toEqual([young, join(parent, '.attn-diff-mine.tmp')].toSorted());
  });
});

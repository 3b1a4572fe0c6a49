import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import {
  hasEnded,
  ownOwner,
  readOwner,
  thisMachine,
  type Machine,
  type Owner,
} from '../../src/files/owner.js';

const OWNER: Owner = { host: 'here', boot: 'b', namespace: 'n', pid: 7, started: '100' };

function machine(startOf: Machine['startOf'], other: Partial<Machine> = {}): Machine {
  return { host: 'here', boot: 'b', namespace: 'n', startOf, ...other };
}

describe('whether an owner has ended', () => {
  it.each([
    ['runs', machine(() => '100'), false],
    ['is gone', machine(() => undefined), true],
    // In a container the number 7 comes again with every start.
    ['is gone, and another process has its number', machine(() => '999'), true],
    ['was started at a time that is not known', machine(() => null), null],
    ['is on another machine', machine(() => undefined, { host: 'there' }), null],
    ['is in another container', machine(() => undefined, { namespace: 'other' }), null],
    [
      'is of an earlier boot, or of a machine of the same name',
      machine(() => undefined, { boot: 'other' }),
      null,
    ],
  ])('that %s', (_, seen, expected) => {
    expect(hasEnded(OWNER, seen)).toBe(expected);
  });

  it('is seen of this process and of one that has ended', () => {
    const own = ownOwner();
    expect(hasEnded(own)).toBe(process.platform === 'linux' ? false : null);
    const { pid } = spawnSync(process.execPath, ['-e', '0']);
    expect(hasEnded({ ...own, pid })).toBe(true);
  });

  it.runIf(process.platform === 'linux')('goes by when the process started', () => {
    expect(ownOwner().started).toMatch(/^\d+$/);
    expect(thisMachine().startOf(1)).not.toBe(ownOwner().started);
    expect(hasEnded({ ...ownOwner(), started: '1' })).toBe(true);
  });
});

describe('an owner that is read', () => {
  it('is the one that was written', () => {
    expect(readOwner(JSON.stringify(OWNER))).toEqual(OWNER);
    expect(readOwner(JSON.stringify(ownOwner()))).toEqual(ownOwner());
  });

  it.each([
    '',
    '7@here',
    'null',
    '{}',
    JSON.stringify({ ...OWNER, pid: -1 }),
    JSON.stringify({ ...OWNER, boot: 3 }),
  ])('is none: %s', (text) => {
    expect(readOwner(text)).toBeNull();
  });
});

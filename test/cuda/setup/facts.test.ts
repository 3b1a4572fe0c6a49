import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { commitIn, isSameCommit } from '../../../src/cuda/setup/buildInfo.js';
import { isDriverTooOld, parseDriverCuda } from '../../../src/cuda/setup/judge.js';

const TEXT =
  'ORT Build Info: git-branch=HEAD, git-commit-id=f2c39fe2f, int4-kv-cache=1, build type=Release\0';

async function commitOf(...parts: string[]): Promise<string | null> {
  return commitIn(Readable.from(parts.map((part) => Buffer.from(part, 'latin1'))));
}

describe('the commit of a library', () => {
  it('is found wherever its text is cut by the reading', async () => {
    const whole = `${'\0x'.repeat(3000)}${TEXT}${'y'.repeat(3000)}`;
    for (let at = 5990; at < 6110; at += 1)
      expect(await commitOf(whole.slice(0, at), whole.slice(at))).toBe('f2c39fe2f');
    expect(await commitOf(...whole)).toBe('f2c39fe2f');
    expect(await commitOf(TEXT)).toBe('f2c39fe2f');
  });

  it('is that of the text, not of what follows it', async () => {
    expect(await commitOf('ORT Build Info: \0git-commit-id=f2c39fe2f,')).toBeNull();
    expect(await commitOf('git-commit-id=f2c39fe2f,')).toBeNull();
    expect(await commitOf('ORT Build Info: git-commit-id=unknown\0')).toBeNull();
    expect(await commitOf(`ORT Build Info: %s\0${TEXT}`)).toBe('f2c39fe2f');
    expect(await commitOf('')).toBeNull();
  });

  it('may be shortened', () => {
    expect(isSameCommit('f2c39fe2f', 'f2c39fe2f0a1b2')).toBe(true);
    expect(isSameCommit('f2c39fe2f0a1b2', 'f2c39fe2f')).toBe(true);
    expect(isSameCommit('f2c39fe2f', 'f2c39fe20')).toBe(false);
  });
});

describe('the CUDA of the driver', () => {
  it.each([
    ['| NVIDIA-SMI 535.104.05   Driver Version: 535.104.05   CUDA Version: 12.2     |', '12.2'],
    ['| NVIDIA-SMI 590.44.01   KMD Version: 590.44.01   CUDA UMD Version: 13.1     |', '13.1'],
    ['| Driver Version: 535.104.05   CUDA Version: N/A |', null],
    ['', null],
  ])('%s', (printed, version) => {
    expect(parseDriverCuda(printed)).toBe(version);
  });

  it.each([
    [13, '12.8', true],
    [13, '13.0', false],
    [12, '13.0', false],
    [13, null, false],
    [null, '11.4', false],
  ])('needs %s, supports %s: too old is %s', (needs, supports, isTooOld) => {
    expect(isDriverTooOld(needs, supports)).toBe(isTooOld);
  });
});

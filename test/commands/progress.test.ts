import { describe, expect, it } from 'vitest';
import { timeLeft } from '../../src/commands/progress.js';

describe('the time left', () => {
  it('is not guessed before two steps are done, nor said at the end', () => {
    let now = 0;
    const left = timeLeft(() => (now += 1000));
    expect([0, 1, 2, 3].map((done) => left(done, 3))).toEqual(['', '', ', about 1s left', '']);
  });

  it('follows the last steps, not the slow first ones', () => {
    let now = 0;
    const left = timeLeft(() => now);
    left(0, 100);
    now += 60_000;
    const said = Array.from({ length: 20 }, (_, i) => {
      now += 2000;
      return left(i + 1, 100);
    });
    expect(said[1]).toMatch(/^, about \d+m\d\ds left$/);
    expect(said.at(-1)).toBe(', about 2m40s left');
  });
});

import { describe, expect, it } from 'vitest';
import { progressTexts } from '../../src/commands/downloadBar.js';

describe('progressTexts', () => {
  const at = (
    ...samples: [time: number, received: number][]
  ): { time: number; received: number }[] =>
    samples.map(([time, received]) => ({ time, received }));

  it.each<
    [string, [number, number][], number | null, { bytes: string; rate: string; left: string }]
  >([
    ['at first', [[0, 0]], 2_000_000_000, { bytes: '0 B of 2.0 GB', rate: '', left: '' }],
    [
      'on the way',
      [
        [0, 0],
        [1000, 10_000_000],
      ],
      2_000_000_000,
      { bytes: '10.0 MB of 2.0 GB', rate: '10.0 MB/s', left: '3:19 left' },
    ],
    [
      'over an hour',
      [
        [0, 0],
        [1000, 1000],
      ],
      4_000_000,
      { bytes: '1.0 kB of 4.0 MB', rate: '1.0 kB/s', left: '1:06:39 left' },
    ],
    [
      'taken up again: what was there is no rate',
      [
        [0, 500_000_000],
        [2000, 520_000_000],
      ],
      600_000_000,
      { bytes: '520.0 MB of 600.0 MB', rate: '10.0 MB/s', left: '0:08 left' },
    ],
    [
      'of unknown size',
      [
        [0, 0],
        [500, 999],
      ],
      null,
      { bytes: '999 B', rate: '2.0 kB/s', left: '' },
    ],
    [
      'whole',
      [
        [0, 0],
        [1000, 1000],
      ],
      1000,
      { bytes: '1.0 kB of 1.0 kB', rate: '1.0 kB/s', left: '0:00 left' },
    ],
    [
      'stalled',
      [
        [0, 5],
        [1000, 5],
      ],
      10,
      { bytes: '5 B of 10 B', rate: '', left: '' },
    ],
  ])('%s', (_name, samples, total, texts) =>
    expect(progressTexts(at(...samples), total)).toEqual(texts),
  );
});

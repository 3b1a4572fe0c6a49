import { describe, expect, it, test } from 'vitest';
import { fitRotary } from '../../../src/attention/asConfigured/rotaryFit.js';

const SIZE = 8;
const VECTORS = [
  [1, -2, 0.5, 1.5, -1, 0.75, 2, -0.5],
  [-0.5, 1, 2, -1.5, 1.25, 1, -1, 0.75],
];

/** Turns pairs of elements by hand, as the formula of the paper has it. */
function turned(pairs: [number, number, number][], start = 0, gain = 1): number[][][] {
  return VECTORS.map((vector) =>
    [0, 1, 2, 3].map((position) => {
      const result = vector.map((value) => gain * value);
      for (const [a, b, frequency] of pairs) {
        const angle = frequency * (position + start);
        result[a] = gain * (vector[a]! * Math.cos(angle) - vector[b]! * Math.sin(angle));
        result[b] = gain * (vector[b]! * Math.cos(angle) + vector[a]! * Math.sin(angle));
      }
      return result;
    }),
  );
}

const HALF: [number, number, number][] = [
  [0, 4, 1],
  [1, 5, 0.1],
  [2, 6, 0.01],
  [3, 7, 0.001],
];
const near = (values: number[]): unknown => values.map((value) => expect.closeTo(value, 12));

describe('fitRotary', () => {
  test.each<[string, ReturnType<typeof turned>, object]>([
    [
      'halves',
      turned(HALF),
      {
        layout: 'half',
        width: 8,
        frequencies: near([1, 0.1, 0.01, 0.001]),
        amplitude: expect.closeTo(1, 12),
      },
    ],
    [
      'neighbours',
      turned([
        [0, 1, 1],
        [2, 3, 0.1],
        [4, 5, 0.01],
        [6, 7, 0.001],
      ]),
      { layout: 'interleaved', frequencies: near([1, 0.1, 0.01, 0.001]) },
    ],
    [
      'the other way',
      turned(HALF.map(([a, b, frequency]) => [a, b, -frequency])),
      { layout: 'half', frequencies: near([-1, -0.1, -0.01, -0.001]) },
    ],
    [
      'half of the head',
      turned([
        [0, 2, 1],
        [1, 3, 0.1],
      ]),
      { layout: 'half', width: 4, frequencies: near([1, 0.1, 0, 0]) },
    ],
    ['another length', turned(HALF, 0, 1.25), { amplitude: expect.closeTo(1.25, 12) }],
    [
      'one position ahead',
      turned(HALF, 1),
      { starts: near([1, 0.1, 0.01, 0.001]), frequencies: near([1, 0.1, 0.01, 0.001]) },
    ],
  ])('finds %s', (_, after, expected) =>
    expect(fitRotary(VECTORS, after, 1e-6)).toMatchObject(expected),
  );

  it('tells no rotation from one that it cannot explain', () => {
    expect(fitRotary(VECTORS, turned([]), 1e-6)).toBe('none');
    const shifted = turned(HALF).map((positions) =>
      positions.map((vector) => vector.map((value, i) => value + i)),
    );
    expect(fitRotary(VECTORS, shifted, 1e-6)).toBeNull();
    const swapped = turned(HALF).map((positions) =>
      positions.map((vector) => vector.map((_, i) => vector[(i + 1) % SIZE]!)),
    );
    expect(fitRotary(VECTORS, swapped, 1e-6)).toBeNull();
  });

  it('explains nothing where there is NaN', () => {
    const broken = turned(HALF);
    broken[1]![2]![3] = NaN;
    expect(fitRotary(VECTORS, broken, 1e-6)).toBeNull();
  });
});

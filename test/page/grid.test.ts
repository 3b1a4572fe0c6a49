import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mapByte } from '../../src/metrics/tokenMap.js';
import {
  byteText,
  gridOf,
  layerSummaries,
  nextNaN,
  numberOf,
  strips,
  type Grid,
} from '../../src/page/grid.js';

/** Layers × tokens of one row of the batch, all valid unless told otherwise. */
function grid(bytes: readonly (readonly number[])[], kinds = 'v'.repeat(bytes[0]!.length)): Grid {
  return {
    size: 1,
    length: kinds.length,
    layers: bytes.map((_, layer) => layer),
    kinds,
    bytes: Uint8Array.from(bytes.flat()),
  };
}

test('a map is read as it was written', () => {
  const read = gridOf(
    { batch: 'left', size: 1, length: 2, kinds: 'mv', streams: [] },
    { implementation: 'sdpa', scope: 'local', layers: [0], relL2: '/wA=' },
  );
  expect([...read.bytes]).toEqual([255, 0]);
});

describe('the number of a byte', () => {
  test('is what was written, to within half a step', () => {
    const halfStep = 10 ** (16 / 252 / 2);
    fc.assert(
      fc.property(fc.double({ min: 1e-12, max: 1e4, noNaN: true }), (value) => {
        const ratio = numberOf(mapByte(value)) / value;
        expect(ratio).toBeLessThanOrEqual(halfStep * (1 + 1e-9));
        expect(ratio).toBeGreaterThanOrEqual((1 - 1e-9) / halfStep);
      }),
    );
  });

  test('is told for what is no number, and for what is beyond the ends', () => {
    expect(
      [
        mapByte(0),
        mapByte(NaN),
        mapByte(Infinity),
        mapByte(1e-20),
        mapByte(1e9),
        mapByte(1e-6),
      ].map(byteText),
    ).toEqual([
      'exactly 0',
      'NaN',
      'infinite',
      'at most 1.0e-12',
      'at least 1.0e+4',
      expect.stringMatching(/^about \d\.\de-[67]$/),
    ]);
  });
});

describe('strips', () => {
  test('are the tokens themselves where there is a strip for each', () => {
    expect(
      strips(
        grid([
          [1, 2, 3],
          [4, 5, 6],
        ]),
        0,
        3,
      ).map(({ bytes }) => [...bytes]),
    ).toEqual([
      [1, 4],
      [2, 5],
      [3, 6],
    ]);
  });

  test('repeat tokens where there are more strips', () => {
    expect(strips(grid([[1, 2]]), 0, 4).map(({ bytes }) => bytes[0])).toEqual([1, 1, 2, 2]);
  });

  test('lose no NaN of a valid token, however few they are', () => {
    const cases = fc.integer({ min: 1, max: 300 }).chain((length) =>
      fc.record({
        length: fc.constant(length),
        at: fc.nat(length - 1),
        count: fc.integer({ min: 1, max: 400 }),
        kinds: fc.string({
          unit: fc.constantFrom('v', 'p', 'm'),
          minLength: length,
          maxLength: length,
        }),
      }),
    );
    fc.assert(
      fc.property(cases, ({ length, at, count, kinds }) => {
        const isValid = kinds[at] === 'v';
        const made = strips(
          grid([Array.from({ length }, (_, token) => (token === at ? 255 : 7))], kinds),
          0,
          count,
        );
        const seen = made.some(
          ({ bytes, kind, hidesNaN }) =>
            (bytes[0] === 255 && (kind === 'v') === isValid) || (!isValid && hidesNaN),
        );
        expect(seen).toBe(true);
      }),
    );
  });

  test('of valid and other tokens show the valid ones', () => {
    expect(strips(grid([[9, 3, 4, 200]], 'mvvp'), 0, 1)).toEqual([
      { bytes: Uint8Array.of(4), kind: 'v', hidesNaN: false },
    ]);
    expect(strips(grid([[9, 3]], 'mp'), 0, 1)).toEqual([
      { bytes: Uint8Array.of(9), kind: 'm', hidesNaN: false },
    ]);
  });
});

test('of several rows the first NaN is that at the smallest position, as in the tables', () => {
  const bytes = Uint8Array.from([5, 5, 5, 255, 5, 255, 5, 255]);
  const [only] = layerSummaries({
    ...grid([[0]], 'v'),
    size: 2,
    length: 4,
    kinds: 'vvvvvvvv',
    bytes,
  });
  expect(only).toMatchObject({
    nan: { valid: 3 },
    first: { valid: { row: 1, token: 1 } },
    worst: { byte: 255, row: 1, token: 1 },
  });
});

test('of each layer the worst valid token and the first NaN are told, valid ones and others apart', () => {
  const [first, second] = layerSummaries(
    grid(
      [
        [255, 5, 8, 8],
        [255, 3, 255, 255],
      ],
      'mvvv',
    ),
  );
  expect(first).toEqual({
    layer: 0,
    worst: { byte: 8, row: 0, token: 2 },
    nan: { valid: 0, others: 1 },
    first: { valid: null, others: { row: 0, layer: 0, token: 0 } },
  });
  expect(second).toMatchObject({
    worst: { byte: 255, token: 2 },
    nan: { valid: 2, others: 1 },
    first: { valid: { token: 2 } },
  });
});

test('the next NaN goes round by token, and stays where there is only one', () => {
  const map = grid([
    [1, 1, 255],
    [1, 255, 1],
  ]);
  const second = nextNaN(map, { row: 0, layer: 0, token: 0 });
  expect(second).toEqual({ row: 0, layer: 1, token: 1 });
  expect(nextNaN(map, second!)).toEqual({ row: 0, layer: 0, token: 2 });
  expect(nextNaN(map, { row: 0, layer: 0, token: 2 })).toEqual(second);
  expect(nextNaN(grid([[1, 2]]), { row: 0, layer: 0, token: 0 })).toBeNull();
});

import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { mapByte, tokenMap, worstMaps } from '../../src/metrics/tokenMap.js';
import type { TokenStats } from '../../src/types.js';
import { sampleRow } from '../report/sample.js';

const KINDS = ['fullyMasked', 'valid', 'valid', 'padding'] as const;
const BATCH = { name: 'left', size: 2, length: 2, kinds: [...KINDS] };

function record(
  more: Partial<Pick<TokenStats, 'implementation' | 'layer' | 'tap' | 'scope'>>,
  l2Delta: number[],
  { l2Ref = [1, 1, 1, 1], nan = [0, 0, 0, 0] } = {},
): TokenStats {
  return {
    batch: 0,
    implementation: 'sdpa',
    layer: 0,
    tap: 'hidden',
    scope: 'accumulated',
    width: 1,
    l2Delta: Float64Array.from(l2Delta),
    l2Ref: Float64Array.from(l2Ref),
    nan: Float64Array.from(nan),
    ...more,
  } as TokenStats;
}

const bytesOf = (text: string): number[] => [...Buffer.from(text, 'base64')];

describe('the byte of a relative L2', () => {
  it.each([
    [0, 0],
    [NaN, 255],
    [Infinity, 254],
    [1e-12, 1],
    [1e-20, 1],
    [1e4, 253],
    [1e30, 253],
    [1e-4, 127],
    [1, 190],
  ])('of %s is %s', (value, byte) => expect(mapByte(value)).toBe(byte));

  it('never says that a number is less than a smaller one, and tells zero, NaN and Inf from all else', () => {
    const value = fc.double({ min: Number.MIN_VALUE, max: Number.MAX_VALUE, noNaN: true });
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect(mapByte(Math.min(a, b))).toBeLessThanOrEqual(mapByte(Math.max(a, b)));
        expect(mapByte(a)).toBeGreaterThan(0);
        expect(mapByte(a)).toBeLessThan(254);
      }),
    );
  });
});

describe('the map of a batch', () => {
  it('has a row for each layer, the logits last, and the kind of each token', () => {
    const stats = [
      record({ layer: null, tap: 'logits' }, [0, 1, 0, 0]),
      record({ layer: 1 }, [0, 0, 1, 0]),
      record({ layer: 0 }, [1, 0, 0, 0]),
      record({ tap: 'attention' }, [9, 9, 9, 9]),
    ];
    const map = tokenMap(stats, BATCH, 'eager');
    expect(map).toMatchObject({ batch: 'left', size: 2, length: 2, kinds: 'mvvp' });
    expect(
      map.streams.map(({ implementation, scope, layers, relL2 }) => [
        implementation,
        scope,
        layers,
        bytesOf(relL2),
      ]),
    ).toEqual([['sdpa', 'accumulated', [0, 1, null], [190, 0, 0, 0, 0, 0, 190, 0, 0, 190, 0, 0]]]);
  });

  it('has the attention of the local scope', () => {
    const map = tokenMap(
      [record({ tap: 'attention', scope: 'local' }, [1, 0, 0, 0])],
      BATCH,
      'eager',
    );
    expect(map.streams).toMatchObject([{ scope: 'local', layers: [0] }]);
  });

  it('shows NaN of the tensor and of the difference, 0/0 as 0 and x/0 as infinite', () => {
    const map = tokenMap(
      [record({}, [1, NaN, 0, 2], { nan: [1, 0, 0, 0], l2Ref: [1, 1, 0, 0] })],
      BATCH,
      'eager',
    );
    expect(bytesOf(map.streams[0]!.relL2)).toEqual([255, 255, 0, 254]);
  });

  it('has the reference only where that is not finite', () => {
    expect(
      tokenMap([record({ implementation: 'eager' }, [0, 0, 0, 0])], BATCH, 'eager').streams,
    ).toEqual([]);
    expect(
      tokenMap([record({ implementation: 'eager' }, [0, NaN, 0, 0])], BATCH, 'eager').streams,
    ).toHaveLength(1);
  });
});

describe('the maps that a report keeps', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const maps = names.map((batch) => tokenMap([], { ...BATCH, name: batch }, 'eager'));
  const row = (
    batch: string,
    relL2: number,
    kind: 'valid' | 'padding' = 'valid',
  ): ReturnType<typeof sampleRow> => sampleRow({ batch, relL2, kind });
  const rows = [
    row('a', 1),
    row('b', 5),
    row('c', NaN),
    row('d', 2),
    row('e', 2),
    row('f', 2),
    row('a', 99, 'padding'),
  ];

  it('are those of the four batches that part most on valid tokens, in order, the first of equals', () => {
    expect(worstMaps(maps, rows).map(({ batch }) => batch)).toEqual(['b', 'c', 'd', 'e']);
  });

  it('are the same where they are chosen from parts', () => {
    for (let at = 0; at <= maps.length; at++) {
      const parts = [maps.slice(0, at), maps.slice(at)].flatMap((part) =>
        worstMaps(
          part,
          rows.filter(({ batch }) => part.some((map) => map.batch === batch)),
        ),
      );
      expect(worstMaps(parts, rows)).toEqual(worstMaps(maps, rows));
    }
  });
});

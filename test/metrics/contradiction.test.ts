import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contradiction } from '../../src/metrics/index.js';
import type { TokenStats } from '../../src/types.js';

const norm = (values: readonly number[]): number => Math.hypot(...values);

/** The statistics of tensors, one token each, made without the probes. */
function statsOf(tokens: readonly (readonly [x: number, reference: number][])[]): TokenStats {
  const row = (of: (pairs: readonly (readonly [number, number])[]) => number): Float64Array =>
    Float64Array.from(tokens, (pairs) => of(pairs));
  const zero = row(() => 0);
  return {
    batch: 0,
    tap: 'attention',
    scope: 'local',
    layer: 0,
    implementation: 'flash',
    width: tokens[0]?.length ?? 0,
    maxAbs: row((pairs) => Math.max(...pairs.map(([x, ref]) => Math.abs(x - ref)))),
    l2Delta: row((pairs) => norm(pairs.map(([x, ref]) => x - ref))),
    l2: row((pairs) => norm(pairs.map(([x]) => x))),
    l2Ref: row((pairs) => norm(pairs.map(([, ref]) => ref))),
    dot: row((pairs) => pairs.reduce((sum, [x, ref]) => sum + x * ref, 0)),
    sumDelta: row((pairs) => pairs.reduce((sum, [x, ref]) => sum + x - ref, 0)),
    nan: zero,
    inf: zero,
    maxAbsExact: zero,
    l2DeltaExact: zero,
    l2Exact: zero,
    sumDeltaExact: zero,
  };
}

const float = fc.float({ noNaN: true, noDefaultInfinity: true });
const tensors = fc.array(fc.array(fc.tuple(float, float), { minLength: 1, maxLength: 64 }), {
  minLength: 1,
  maxLength: 4,
});

describe('statistics that contradict each other', () => {
  it('are never those of real tensors, whatever they hold', () => {
    fc.assert(
      fc.property(tensors, (tokens) => {
        expect(contradiction([statsOf(tokens)])).toBeNull();
      }),
      { seed: 14 },
    );
  });

  const tokens = [[[1, 1.5]], [[2, 2]]] as [number, number][][];

  it('are found where a device computes nothing', () => {
    const stats = statsOf(tokens);
    const zero = new Float64Array(2);
    const dead = { ...stats, l2: zero, l2Delta: zero, dot: zero };
    expect(contradiction([stats, dead])).toMatchObject({
      stats: dead,
      token: 0,
      found: 0,
      expected: 2.25,
    });
  });

  it.each(['l2', 'l2Delta', 'dot', 'l2Ref'] as const)(
    'are found where %s alone is wrong',
    (name) => {
      const stats = statsOf(tokens);
      const wrong = { ...stats, [name]: stats[name].map((value) => value * 1.001 + 1e-3) };
      expect(contradiction([wrong])).toMatchObject({ token: 0 });
    },
  );

  it('are found where the difference of finite tensors is not finite', () => {
    const stats = statsOf(tokens);
    expect(contradiction([{ ...stats, l2Delta: Float64Array.of(0.5, NaN) }])).toMatchObject({
      token: 1,
    });
  });

  it('are not looked for where a tensor has NaN or Inf', () => {
    const stats = statsOf([[[NaN, 1]], [[Infinity, 1]], [[1, NaN]]]);
    expect(contradiction([stats])).toBeNull();
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildHeadProbe, HEAD_ROWS } from '../../src/head/probes.js';
import { compute } from '../support/tinyGraph.js';

type HeadRow = (typeof HEAD_ROWS)[number];

/** Each row's values for a stream `x` and a reference `ref` of n tokens, as `compute` gives them; the reference is the truth too. */
async function probe(
  x: readonly (readonly number[])[],
  ref: readonly (readonly number[])[],
  targets: readonly number[],
): Promise<{ x: Record<HeadRow, number[]>; ref: Record<HeadRow, number[]> }> {
  const tokens = targets.length;
  const tensor = (rows: readonly (readonly number[])[]) => ({
    type: 'float64' as const,
    dims: [1, tokens, rows[0]!.length],
    data: Float64Array.from(rows.flat()),
  });
  const feeds = {
    x: tensor(x),
    ref: tensor(ref),
    targets: { type: 'int64' as const, dims: [tokens], data: BigInt64Array.from(targets, BigInt) },
  };
  const [output] = await compute(feeds, (builder) => [
    buildHeadProbe(builder, ['ref', 'x'], 'ref', 'ref', 'targets'),
  ]);
  expect(output!.dims).toEqual([HEAD_ROWS.length, 2, 1, tokens]);
  const values = [...(output!.data as Float64Array)];
  const of = (stream: number): Record<HeadRow, number[]> =>
    Object.fromEntries(
      HEAD_ROWS.map((name, row) => [
        name,
        values.slice((row * 2 + stream) * tokens, (row * 2 + stream + 1) * tokens),
      ]),
    ) as Record<HeadRow, number[]>;
  return { ref: of(0), x: of(1) };
}

describe('buildHeadProbe', () => {
  it('gives −ln p, KL and the top token of a distribution that is worked out by hand', async () => {
    // p_ref = ¼ ½ ¼, p = ½ ¼ ¼: KL = ¼ ln ½ + ½ ln 2 = ¼ ln 2.
    const { x, ref } = await probe([[Math.LN2, 0, 0]], [[0, Math.LN2, 0]], [1]);
    expect(x.nll[0]).toBeCloseTo(Math.log(4), 14);
    expect(x.kl[0]).toBeCloseTo(Math.LN2 / 4, 14);
    expect([x.top1[0], ref.top1[0]]).toEqual([0, 1]);
    expect([x.maxAbs[0], x.sumDelta[0]]).toEqual([Math.LN2, 0]);
    expect(ref.nll[0]).toBeCloseTo(Math.LN2, 14);
    expect(ref.kl[0]).toBe(0);
  });

  it('takes the first of equal logits', async () => {
    const { x } = await probe(
      [
        [1, 3, 3],
        [2, 2, 2],
      ],
      [
        [0, 0, 0],
        [0, 0, 0],
      ],
      [0, 0],
    );
    expect(x.top1).toEqual([1, 0]);
  });

  it('stays finite for logits that float32 could not exponentiate', async () => {
    const { x } = await probe([[1e4, 1e4 - 1, -1e4]], [[-1e5, -1e5 - 2, -1e5]], [1]);
    expect(x.nll[0]).toBeCloseTo(1 + Math.log(1 + Math.exp(-1)), 10);
    expect(Number.isFinite(x.kl[0])).toBe(true);
  });

  it('counts 0 where only the reference rules a token out, and Infinity where only the implementation does', async () => {
    const no = -Infinity;
    const both = await probe([[0, 0, no]], [[0, 0, no]], [0]);
    expect(both.x.kl[0]).toBe(0);
    const reference = await probe([[0, 0, 0]], [[0, 0, no]], [0]);
    expect(reference.x.kl[0]).toBeCloseTo(Math.log(3 / 2), 14);
    const implementation = await probe([[0, 0, no]], [[0, 0, 0]], [2]);
    expect([implementation.x.kl[0], implementation.x.nll[0]]).toEqual([Infinity, Infinity]);
  });

  it.each([0, 1, 2])(
    'leaves NaN where logit %i is NaN, and the other token alone',
    async (place) => {
      const broken = [0, 1, 2].with(place, NaN);
      const { x, ref } = await probe([broken, [0, 1, 2]], [[0, 1, 2], broken], [1, 1]);
      expect(x.nll[0]).toBeNaN();
      expect(x.kl).toEqual([NaN, NaN]);
      expect(x.nan).toEqual([1, 0]);
      expect(x.nll[1]).toBeCloseTo(Math.log(Math.exp(-1) + 1 + Math.E), 12);
      expect(ref.kl).toEqual([0, NaN]);
    },
  );

  it('leaves NaN where a logit is +Infinity, as softmax does', async () => {
    const { x } = await probe([[0, Infinity]], [[0, 0]], [0]);
    expect([x.nll[0], x.kl[0], x.inf[0]]).toEqual([NaN, NaN, 1]);
  });

  it('is what float64 gives for any logits', async () => {
    const logits = fc.array(fc.double({ min: -50, max: 50, noNaN: true }), {
      minLength: 7,
      maxLength: 7,
    });
    const rows = fc.array(fc.record({ x: logits, ref: logits, target: fc.nat(6) }), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(rows, async (tokens) => {
        const found = await probe(
          tokens.map(({ x }) => x),
          tokens.map(({ ref }) => ref),
          tokens.map(({ target }) => target),
        );
        for (const [i, { x, ref, target }] of tokens.entries()) {
          const [p, q] = [softmax(x), softmax(ref)];
          expect(found.x.nll[i]).toBeCloseTo(-Math.log(p[target]!), 11);
          expect(found.x.kl[i]).toBeCloseTo(
            q.reduce((sum, share, v) => sum + share * Math.log(share / p[v]!), 0),
            11,
          );
          expect(x[found.x.top1[i]!]).toBe(Math.max(...x));
        }
      }),
      { numRuns: 25 },
    );
  });
});

function softmax(logits: readonly number[]): number[] {
  const weights = logits.map((x) => Math.exp(x));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

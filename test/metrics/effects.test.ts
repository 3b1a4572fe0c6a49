import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ALL_BATCHES, effectRows, hasTarget, overallEffects } from '../../src/metrics/index.js';
import type { EffectRow, TokenEffects } from '../../src/types.js';
import { batchOf } from './stats.js';

const targetsOf = (rows: readonly string[], documents: number[] | null = null): number[] => {
  const batch = { ...batchOf(rows), documents: documents && Int32Array.from(documents) };
  return [...batch.kinds.keys()].filter((token) => hasTarget(batch, token));
};

/** A record whose arrays are those given, else 0. */
function effectsOf(
  implementation: string,
  arrays: Partial<Record<'nll' | 'kl' | 'top1' | 'nan', number[]>>,
  batch = 0,
): TokenEffects {
  const length = Object.values(arrays)[0]!.length;
  const array = (name: keyof typeof arrays): Float64Array =>
    Float64Array.from(arrays[name] ?? Array.from({ length }, () => 0));
  return {
    batch,
    implementation,
    nll: array('nll'),
    kl: array('kl'),
    top1: array('top1'),
    nan: array('nan'),
  };
}

const rowOf = (row: Partial<EffectRow>): EffectRow => ({
  batch: '1',
  implementation: 'sdpa',
  targets: 1,
  loss: 0,
  perplexity: 1,
  kl: 0,
  flips: 0,
  ...row,
});

describe('hasTarget', () => {
  it('is where a valid token is followed by a valid one in its row', () => {
    expect(targetsOf(['mmvvv', 'vvvpp', 'vpvpv', 'vvvvv'])).toEqual([2, 3, 5, 6, 15, 16, 17, 18]);
  });

  it('is not where the next token is of another document', () => {
    expect(targetsOf(['vvvvp', 'vvvvv'], [0, 0, 1, 1, -1, 0, 1, 1, 1, 2])).toEqual([0, 2, 6, 7]);
  });
});

describe('effectRows', () => {
  const batch = batchOf(['mvvv', 'vvvp']);

  it('are means over the predictions that count, and no others', () => {
    const counted = [9, 1, 2, 9, 3, 4, 9, 9];
    const [row] = effectRows(
      [effectsOf('eager', { nll: counted, kl: counted.map((x) => x / 10), top1: counted })],
      [batch],
      'eager',
    );
    expect(row).toEqual({
      batch: 'left',
      implementation: 'eager',
      targets: 4,
      loss: 2.5,
      perplexity: Math.exp(2.5),
      kl: 0.25,
      flips: 0,
    });
  });

  it('are NaN where a counted value is, and only there', () => {
    const nll = [NaN, 1, 1, NaN, 1, 1, NaN, NaN];
    const one = (arrays: Parameters<typeof effectsOf>[1]): EffectRow =>
      effectRows([effectsOf('eager', arrays)], [batch], 'eager')[0]!;
    expect(one({ nll, kl: nll })).toMatchObject({ loss: 1, kl: 1 });
    expect(one({ nll: nll.with(4, NaN), kl: nll })).toMatchObject({
      loss: NaN,
      perplexity: NaN,
      kl: 1,
    });
    expect(one({ nll, kl: nll.with(4, NaN) })).toMatchObject({ loss: 1, kl: NaN });
    expect(one({ nll: nll.with(4, Infinity), kl: nll })).toMatchObject({
      loss: Infinity,
      perplexity: Infinity,
    });
  });

  it('count another top token as a flip, and NaN in one of the two', () => {
    const eager = effectsOf('eager', {
      top1: [0, 5, 5, 0, 5, 5, 0, 0],
      nan: [0, 0, 0, 0, 1, 1, 0, 0],
    });
    const rows = effectRows(
      [eager, effectsOf('sdpa', { top1: [1, 5, 6, 1, 6, 5, 1, 1], nan: [0, 2, 0, 9, 1, 0, 9, 9] })],
      [batch],
      'eager',
    );
    // Tokens 1 (NaN here), 2 (another) and 5 (NaN there); both are NaN at 4.
    expect(rows.map(({ flips }) => flips)).toEqual([0, 3]);
  });

  it('hold each batch against the reference of the same batch', () => {
    const top1 = (value: number): number[] => Array.from({ length: 8 }, () => value);
    const records = [0, 1].flatMap((index) =>
      ['eager', 'sdpa'].map((name) => effectsOf(name, { top1: top1(index) }, index)),
    );
    expect(
      effectRows(records, [batch, { ...batch, name: 'right' }], 'eager').map((row) => [
        row.batch,
        row.implementation,
        row.flips,
      ]),
    ).toEqual([
      ['left', 'eager', 0],
      ['left', 'sdpa', 0],
      ['right', 'eager', 0],
      ['right', 'sdpa', 0],
    ]);
  });

  it('are no result where there is nothing to predict', () => {
    const [row] = effectRows([effectsOf('eager', { nll: [1, 1, 1] })], [batchOf(['mmv'])], 'eager');
    expect(row).toEqual({
      batch: 'left',
      implementation: 'eager',
      targets: 0,
      loss: NaN,
      perplexity: NaN,
      kl: NaN,
      flips: 0,
    });
  });

  it('refuse a record of no batch, and a batch without its reference', () => {
    expect(() => effectRows([effectsOf('eager', { nll: [1] }, 1)], [batch], 'eager')).toThrow(
      RangeError,
    );
    expect(() => effectRows([effectsOf('sdpa', { nll: [1] })], [batch], 'eager')).toThrow(
      RangeError,
    );
  });
});

describe('overallEffects', () => {
  it('weigh each batch by its targets and add flips up', () => {
    const rows = [
      rowOf({ targets: 3, loss: 1, kl: 0.1, flips: 2 }),
      rowOf({ targets: 1, loss: 5, kl: 0.5, flips: 1 }),
      rowOf({ implementation: 'eager', loss: 7 }),
    ];
    const [sdpa, eager] = overallEffects(rows);
    expect(sdpa).toEqual({
      batch: ALL_BATCHES,
      implementation: 'sdpa',
      targets: 4,
      loss: 2,
      perplexity: Math.exp(2),
      kl: 0.8 / 4,
      flips: 3,
    });
    expect(eager).toMatchObject({ implementation: 'eager', targets: 1, loss: 7 });
  });

  it('pass over a batch that predicts nothing, and keep a NaN that was measured', () => {
    const nothing = rowOf({ targets: 0, loss: NaN, perplexity: NaN, kl: NaN });
    expect(overallEffects([nothing, rowOf({ loss: 2 })])[0]).toMatchObject({
      targets: 1,
      loss: 2,
      kl: 0,
    });
    expect(overallEffects([rowOf({ loss: NaN }), rowOf({ loss: 2 })])[0]).toMatchObject({
      targets: 2,
      loss: NaN,
      perplexity: NaN,
      kl: 0,
    });
    expect(overallEffects([nothing])[0]).toMatchObject({ targets: 0, loss: NaN });
  });

  it('are what one batch of all tokens would have', () => {
    const records = fc.array(
      fc.array(fc.double({ min: 0, max: 20, noNaN: true }), { minLength: 2, maxLength: 9 }),
      { minLength: 1, maxLength: 5 },
    );
    fc.assert(
      fc.property(records, (losses) => {
        const batches = losses.map((nll) => batchOf(['v'.repeat(nll.length)]));
        const rows = effectRows(
          losses.map((nll, i) => effectsOf('eager', { nll, kl: nll }, i)),
          batches,
          'eager',
        );
        const counted = losses.flatMap((nll) => nll.slice(0, -1));
        const mean = counted.reduce((a, b) => a + b, 0) / counted.length;
        const [all] = overallEffects(rows);
        expect(all!.targets).toBe(counted.length);
        expect(all!.loss).toBeCloseTo(mean, 10);
        expect(all!.kl).toBeCloseTo(mean, 10);
      }),
    );
  });
});

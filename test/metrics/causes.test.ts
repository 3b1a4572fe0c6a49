import { describe, expect, it } from 'vitest';
import {
  causeFinding,
  divergingLayers,
  factorsOf,
  isEnough,
  isReferenceAtFault,
  type Change,
  type Trial,
} from '../../src/metrics/index.js';
import type { Explanation, Factor, LocalDivergence } from '../../src/types.js';
import { sampleRow } from '../report/sample.js';

const LIMIT = 1e-5;
const trial = (change: Change, squaredDelta: number, besides: Change | null = null): Trial => ({
  change,
  besides,
  squaredDelta,
  squaredNorm: 400,
});
const kinds = (factors: readonly Factor[]): string[] =>
  factors.map(({ deviation }) => deviation.kind);

describe('factorsOf', () => {
  it('is 1 − ‖x − changed‖²/‖x − ref‖², and ‖x − changed‖/‖changed‖', () => {
    const [factor] = factorsOf([trial({ kind: 'window', to: 5 }, 1)], 16);
    expect(factor).toEqual({
      deviation: { kind: 'window', to: 5 },
      besides: null,
      cause: 'window-mismatch',
      relL2: 0.05,
      explained: 0.9375,
    });
  });

  it('puts what explains most first, what leads away later, and NaN last', () => {
    const factors = factorsOf(
      [
        trial({ kind: 'fill', to: '-inf' }, NaN),
        trial({ kind: 'padding-side' }, 32),
        trial({ kind: 'scale', factor: 2 }, 8),
      ],
      16,
    );
    expect(factors.map(({ explained }) => explained)).toEqual([0.5, -1, NaN]);
  });

  it('names, of two that explain equally well, the one without a value that was searched for', () => {
    const scale = trial({ kind: 'scale', factor: 0.01 }, 0);
    const scores = trial({ kind: 'scores-precision', to: 'bf16' }, 0.016);
    expect(kinds(factorsOf([scale, scores], 16))).toEqual(['scores-precision', 'scale']);
    expect(kinds(factorsOf([scale, { ...scores, squaredDelta: 0.32 }], 16))).toEqual([
      'scale',
      'scores-precision',
    ]);
  });

  it('keeps the best scale and the best window, and each precision', () => {
    const factors = factorsOf(
      [
        trial({ kind: 'scale', factor: 2 }, 8),
        trial({ kind: 'scale', factor: 3 }, 2),
        trial({ kind: 'scores-precision', to: 'bf16' }, 9),
        trial({ kind: 'scores-precision', to: 'fp16' }, 10),
      ],
      16,
    );
    expect(factors.map(({ deviation }) => deviation)).toEqual([
      { kind: 'scale', factor: 3 },
      { kind: 'scores-precision', to: 'bf16' },
      { kind: 'scores-precision', to: 'fp16' },
    ]);
  });

  it('keeps a pair only where it adds to the best change alone', () => {
    const alone = trial({ kind: 'padding-side' }, 8);
    const pair = (squaredDelta: number): Trial =>
      trial({ kind: 'precision', to: 'bf16' }, squaredDelta, { kind: 'padding-side' });
    expect(kinds(factorsOf([alone, pair(7.99)], 16))).toEqual(['padding-side']);
    expect(kinds(factorsOf([alone, pair(4), pair(1)], 16))).toEqual(['precision', 'padding-side']);
  });
});

describe('isEnough', () => {
  const factor = (explained: number, relL2: number): Factor => ({
    deviation: { kind: 'padding-side' },
    besides: null,
    cause: 'padding-side',
    relL2,
    explained,
  });
  it('nine tenths', () =>
    expect([factor(0.9, 1), factor(0.899, 1)].map((each) => isEnough(each, LIMIT))).toEqual([
      true,
      false,
    ]));
  it('or all that rounding does not explain', () =>
    expect(isEnough(factor(0.2, LIMIT), LIMIT)).toBe(true));
  it('never a pair, and never NaN', () => {
    expect(isEnough({ ...factor(1, 0), besides: { kind: 'kv-mapping' } }, LIMIT)).toBe(false);
    expect(isEnough(factor(NaN, NaN), LIMIT)).toBe(false);
  });
});

const local = (
  implementation: string,
  layer: number,
  values: { relL2?: number; exactRelL2?: number },
) => sampleRow({ implementation, layer, scope: 'local', batch: 'left', ...values });

describe('isReferenceAtFault', () => {
  const judge = (reference: number, implementation: number): boolean =>
    isReferenceAtFault(
      [
        local('eager', 3, { exactRelL2: reference }),
        local('sdpa', 3, { exactRelL2: implementation }),
        local('sdpa', 2, { exactRelL2: 99 }),
      ],
      { implementation: 'sdpa', reference: 'eager', layer: 3, batch: 'left' },
    );
  it.each([
    ['the reference is far from exact', 0.6, 0.003, true],
    ['the implementation is', 1e-7, 0.5, false],
    ['they are about as far', 0.5, 0.4, false],
    ['both are exact', 0, 0, false],
    ['the reference is NaN', NaN, 0.1, false],
  ])('%s', (_, reference, implementation, isAtFault) =>
    expect(judge(reference, implementation)).toBe(isAtFault),
  );
});

describe('causeFinding', () => {
  const finding: LocalDivergence = {
    code: 'local-divergence',
    implementation: 'sdpa',
    layer: 1,
    batch: 'left',
    relL2: 0.5,
    limit: LIMIT,
    firstToken: 6,
  };
  const explanation = (explained: number): Explanation => ({
    implementation: 'sdpa',
    reference: 'eager',
    layer: 1,
    batch: 'left',
    relL2: 0.5,
    changed: 'eager',
    standIn: null,
    factors: factorsOf([trial({ kind: 'window', to: null }, 16 * (1 - explained))], 16),
  });

  it('accuses the implementation of what explains it', () => {
    expect(causeFinding(finding, explanation(0.95), [1, 3], null)).toEqual({
      code: 'window-mismatch',
      implementation: 'sdpa',
      against: 'eager',
      layers: [1, 3],
      batch: 'left',
      relL2: 0.5,
      limit: LIMIT,
      explained: expect.closeTo(0.95),
      deviation: { kind: 'window', to: null },
      firstToken: 6,
    });
  });
  it('accuses the reference of what the factor cures', () => {
    expect(
      causeFinding(finding, explanation(0.95), [1], () => ({ kind: 'window', to: 4 })),
    ).toMatchObject({
      implementation: 'eager',
      against: 'sdpa',
      deviation: { kind: 'window', to: 4 },
    });
  });
  it('says nothing where one change is not enough', () =>
    expect(causeFinding(finding, explanation(0.8), [1], null)).toBeNull());
});

it('divergingLayers: those beyond rounding, in order, without NaN', () => {
  const rows = [
    local('sdpa', 3, { relL2: 1 }),
    local('sdpa', 0, { relL2: 1e-6 }),
    local('sdpa', 1, { relL2: 2e-5 }),
    local('sdpa', 2, { relL2: NaN }),
    sampleRow({ layer: 4, relL2: 1, batch: 'left' }),
    { ...local('sdpa', 5, { relL2: 1 }), kind: 'padding' as const },
  ];
  expect(divergingLayers(rows, { implementation: 'sdpa', batch: 'left', limit: LIMIT })).toEqual([
    1, 3,
  ]);
});

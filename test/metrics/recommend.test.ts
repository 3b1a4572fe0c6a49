import { describe, expect, it } from 'vitest';
import { recommend } from '../../src/metrics/index.js';
import type { Finding, Recommendation } from '../../src/types.js';
import { sampleRow } from '../report/sample.js';

/** Errors of each implementation against exact, at the logits. */
function judged(
  errors: Record<string, number>,
  findings: Finding[] = [],
  reference = 'eager',
): Recommendation {
  const rows = Object.entries(errors).flatMap(([implementation, exactRelL2]) => [
    sampleRow({ implementation, layer: null, tap: 'logits', exactRelL2 }),
    sampleRow({ implementation, layer: 1, scope: 'local', exactRelL2 }),
    sampleRow({ implementation, layer: 1, kind: 'padding', exactRelL2: NaN }),
  ]);
  return recommend({
    implementations: Object.keys(errors).map((name) => ({ name })),
    rows,
    findings,
    reference,
  });
}
const divergence: Finding = {
  code: 'local-divergence',
  implementation: 'sdpa',
  layer: 1,
  batch: 'left',
  relL2: 1,
  limit: 1e-5,
  firstToken: 0,
};

describe('recommend', () => {
  it('takes flash among equals, and eager for weights', () =>
    expect(judged({ eager: 3e-7, sdpa: 1e-7, flash: 4e-7 })).toEqual({
      training: 'flash',
      weights: 'eager',
      against: [],
    }));
  it('takes the nearest where they are apart by more than twice and by more than fp32 rounding', () => {
    expect(judged({ eager: 0.003, sdpa: 0.001, flash: 0.0021 }).training).toBe('sdpa');
    expect(judged({ eager: 0.003, sdpa: 0.001, flash: 0.0019 }).training).toBe('flash');
  });
  it('takes none with a fault, and says which', () => {
    const fault: Finding = {
      code: 'low-precision-scores',
      implementation: 'eager',
      against: 'sdpa',
      layers: [1],
      batch: 'left',
      relL2: 1,
      limit: 1,
      explained: 1,
      deviation: { kind: 'scores-precision', to: 'bf16' },
      firstToken: 0,
    };
    expect(judged({ eager: 0.6, sdpa: 0.01 }, [fault, { ...fault, against: 'flash' }])).toEqual({
      training: 'sdpa',
      weights: null,
      against: [{ implementation: 'eager', codes: ['low-precision-scores'] }],
    });
  });
  it('takes an eager of other settings for weights', () =>
    expect(judged({ 'eager:scores=fp32': 0.01, sdpa: 0.01 }).weights).toBe('eager:scores=fp32'));
  it('lets a divergence without a cause speak against the one that is farther from exact', () => {
    expect(judged({ eager: 1e-7, sdpa: 0.5 }, [divergence]).against).toEqual([
      { implementation: 'sdpa', codes: ['local-divergence'] },
    ]);
    expect(judged({ eager: 0.5, sdpa: 1e-7 }, [divergence]).against).toEqual([
      { implementation: 'eager', codes: ['local-divergence'] },
    ]);
  });
  it('takes neither NaN nor exact nor the file itself', () =>
    expect(judged({ eager: NaN, exact: 0, original: 1e-7 })).toMatchObject({
      training: null,
      weights: null,
    }));
  it('does not hold padding against anyone', () =>
    expect(
      judged({ eager: 1e-7 }, [
        {
          code: 'padding-by-design',
          implementation: 'eager',
          zeroRows: 1,
          reference: 'sdpa',
          referenceZeroRows: 0,
          tokens: 2,
        },
      ]).training,
    ).toBe('eager'));
});

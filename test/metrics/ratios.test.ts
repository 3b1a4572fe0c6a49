import { describe, expect, it } from 'vitest';
import { withRatios } from '../../src/metrics/index.js';
import { sampleRow } from '../report/sample.js';

const BASELINES = { fp32: 'eager:precision=fp32', plain: 'eager' };

function ratios(
  own: { exactRelL2: number; exactMaxAbs: number },
  single: number,
  plain: number,
): { ratioFp32: number; ratioPlain: number } {
  const rows = [
    sampleRow({ implementation: 'flash', ...own }),
    sampleRow({ implementation: 'eager:precision=fp32', exactRelL2: single }),
    sampleRow({ implementation: 'eager', exactMaxAbs: plain }),
    sampleRow({ implementation: 'eager', exactMaxAbs: 99, layer: 1 }),
  ];
  return withRatios(rows, BASELINES)[0]!;
}

describe('ratios to the baselines', () => {
  it('divide the error of the same place', () => {
    expect(ratios({ exactRelL2: 6e-3, exactMaxAbs: 3e-2 }, 2e-7, 2e-2)).toMatchObject({
      ratioFp32: 6e-3 / 2e-7,
      ratioPlain: 1.5,
    });
  });

  it('call no error against no error as good, and any against none infinitely worse', () => {
    expect(ratios({ exactRelL2: 0, exactMaxAbs: 1 }, 0, 0)).toMatchObject({
      ratioFp32: 1,
      ratioPlain: Infinity,
    });
  });

  it('keep a NaN of either side', () => {
    expect(ratios({ exactRelL2: NaN, exactMaxAbs: 1 }, 1, NaN)).toMatchObject({
      ratioFp32: NaN,
      ratioPlain: NaN,
    });
  });

  it('are NaN where a baseline has no such place', () => {
    const [row] = withRatios([sampleRow({ implementation: 'flash' })], BASELINES);
    expect(row).toMatchObject({ ratioFp32: NaN, ratioPlain: NaN });
  });
});

import { describe, expect, it } from 'vitest';
import { shareText } from '../../src/report/causeText.js';
import { deviationText } from '../../src/report/deviationText.js';
import { findingLevel } from '../../src/metrics/index.js';
import { findingClause, findingText } from '../../src/report/findingText.js';
import { CAUSES, type Cause, type Deviation, type Finding } from '../../src/types.js';

const DEVIATION: Record<Cause, Deviation> = {
  'low-precision-scores': { kind: 'scores-precision', to: 'bf16' },
  'softmax-precision': { kind: 'softmax-precision', to: 'fp16' },
  'attention-precision': { kind: 'precision', to: 'bf16' },
  underflow: { kind: 'flush', below: 2 ** -14 },
  'scale-mismatch': { kind: 'scale', factor: 1.1000004 },
  'window-mismatch': { kind: 'window', to: null },
  'causal-alignment': { kind: 'alignment', to: 'top-left' },
  'mask-ignored': { kind: 'mask-ignored', part: 'padding' },
  'mask-shift': { kind: 'mask-shift', by: 1 },
  'mask-fill': { kind: 'fill', to: '-1e4' },
  'padding-side': { kind: 'padding-side' },
  'position-ids': { kind: 'positions', by: -2, inverseFrequencies: [1] },
  'head-mapping': { kind: 'head-order', order: [0, 2, 1, 3] },
};

function finding(code: Cause): Extract<Finding, { code: Cause }> {
  return {
    code,
    implementation: 'sdpa',
    against: 'eager',
    layers: [2, 3, 5],
    batch: 'left',
    relL2: 0.25,
    limit: 1e-5,
    explained: 0.98765,
    deviation: DEVIATION[code],
    firstToken: 6,
  };
}

describe.each(CAUSES)('%s', (code) => {
  it('is a fault, and says who, where, how much, why and what to do', () => {
    expect(findingLevel(finding(code))).toBe('fault');
    const text = findingText(finding(code), 'eager');
    for (const part of [
      'sdpa, batch left',
      'layers 2–3, 5',
      '0.250',
      '1e-5',
      'token position 6',
      '98.8 %',
      deviationText(DEVIATION[code]),
    ])
      expect(text).toContain(part);
    expect(text).toMatch(/\. (Compute|Compare|Turn|Look|Hold|Give|Fill|Pad) /);
  });
  it('is a clause without a subject', () =>
    expect(findingClause(finding(code), 'eager')).toMatch(
      /^(rounded|computed|set|used|aligned|let|shifted|masked|had) .*, unlike eager$/,
    ));
});

describe('the remedy for rounded scores', () => {
  const text = (implementation: string, against: string): string =>
    findingText({ ...finding('low-precision-scores'), implementation, against }, against);
  it('is a label that can be run, beside an implementation that has no such scores', () => {
    expect(text('eager', 'sdpa')).toContain('eager:scores=fp32 ');
    expect(text('eager', 'sdpa')).toContain('or use sdpa');
    expect(text('eager:precision=bf16:scores=bf16#2', 'exact')).toContain(
      'eager:precision=bf16:scores=fp32 ',
    );
    expect(text('eager', 'exact')).not.toContain('use exact');
  });
});

it('a boolean mask is no matter of its fill', () => {
  const text = findingText(
    { ...finding('mask-fill'), deviation: { kind: 'mask-form', to: 'boolean' } },
    'eager',
  );
  expect(text).toContain('it masked with a boolean mask');
  expect(text).not.toContain('--mask-fill');
});

describe('window-not-as-configured', () => {
  it('says what the file has and what config.json asks for', () => {
    const lost: Finding = {
      code: 'window-not-as-configured',
      layers: [21, 22, 23],
      expected: 4096,
      found: null,
    };
    expect(findingLevel(lost)).toBe('fault');
    for (const part of ['layers 21–23', 'no sliding window', '4,096 tokens', 'sliding_window'])
      expect(findingText(lost, 'eager')).toContain(part);
    expect(findingClause(lost, 'eager')).toBe(
      'the file has no sliding window where config.json asks for a sliding window of 4,096 tokens',
    );
  });
});

describe('deviationText', () => {
  it.each<[Deviation, string]>([
    [{ kind: 'scale', factor: 0.037000111 }, 'a scale 0.037 times as large'],
    [{ kind: 'window', to: 1 }, 'a sliding window of 1 token'],
    [{ kind: 'mask-shift', by: -1 }, 'each query with the mask of the query 1 position before it'],
    [{ kind: 'head-order', order: [0, 2, 1, 3] }, 'query heads 1 and 2 swapped'],
    [{ kind: 'head-order', order: [1, 2, 0] }, 'query heads in the order 1, 2, 0'],
    [
      { kind: 'positions', by: -5, inverseFrequencies: [] },
      'queries turned 5 positions too little',
    ],
    [{ kind: 'mask-ignored', part: 'causal' }, 'no causal mask: queries see later keys'],
    [{ kind: 'fill', to: '-inf' }, 'masked scores filled with −inf'],
  ])('%j', (deviation, text) => expect(deviationText(deviation)).toBe(text));
});

describe('shareText', () => {
  it.each([
    [1, '100 %'],
    [0.999999999, '100 %'],
    [0.99995, '99.9 %'],
    [0.9876, '98.8 %'],
    [0, '0 %'],
    [-1.5, '-150 %'],
    [NaN, 'NaN'],
    [-Infinity, '-Inf'],
  ])('%d is %s', (share, text) => expect(shareText(share)).toBe(text));
});

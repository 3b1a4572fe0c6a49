import { describe, expect, it } from 'vitest';
import { findingClause, findingLevel, findingText } from '../../src/report/findingText.js';
import type { Finding } from '../../src/types.js';

const nan: Finding = { code: 'fully-masked-nan', implementation: 'original', layer: 2, batch: 'left', kind: 'fullyMasked', spreadsToValidAtLayer: 3 };

describe('findingText', () => {
  it('tells what is by design from what is a fault', () => {
    expect(findingLevel({ code: 'padding-by-design', implementation: 'flash', zeroRows: 1, reference: 'eager', referenceZeroRows: 0, tokens: 1 })).toBe('fine');
    expect(findingLevel(nan)).toBe('fault');
    expect(findingLevel({ code: 'local-divergence', implementation: 'sdpa', layer: 0, batch: 'left', relL2: 1, limit: 1e-5, firstToken: null })).toBe('fault');
    expect(findingLevel({ code: 'nothing-compared' })).toBe('fault');
    expect(findingLevel({ code: 'identical', implementation: 'eager#2' })).toBe('fine');
  });

  it('names who, where, and a remedy', () => {
    const text = findingText(nan, 'eager');
    for (const part of ['original', 'left', 'layer 2', 'layer 3', '--mask-fill min']) expect(text).toContain(part);
    expect(findingText({ ...nan, spreadsToValidAtLayer: null }, 'eager')).not.toContain('layer 3');
    expect(findingClause({ ...nan, spreadsToValidAtLayer: null }, 'eager')).not.toContain('valid');
  });

  it('names the reference', () => {
    expect(findingText({ code: 'identical', implementation: 'eager#2' }, 'exact')).toContain('exact');
  });
});

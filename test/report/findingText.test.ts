import { describe, expect, it } from 'vitest';
import { findingLevel } from '../../src/metrics/index.js';
import { findingClause, findingText } from '../../src/report/findingText.js';
import type { Finding } from '../../src/types.js';

const nan: Finding = {
  code: 'fully-masked-nan',
  implementation: 'original',
  layer: 2,
  batch: 'left',
  batches: 1,
  kind: 'fullyMasked',
  spreadsToValidAtLayer: 3,
};

describe('findingText', () => {
  it('tells what is by design from what is a fault', () => {
    expect(findingLevel({ code: 'padding-by-design' })).toBe('fine');
    expect(findingLevel(nan)).toBe('fault');
    expect(findingLevel({ code: 'local-divergence' })).toBe('fault');
    expect(findingLevel({ code: 'nothing-compared' })).toBe('fault');
    expect(findingLevel({ code: 'identical' })).toBe('fine');
  });

  it('names who, where, and a remedy', () => {
    const text = findingText(nan, 'eager');
    for (const part of ['original', 'left', 'layer 2', 'layer 3', '--mask-fill min'])
      expect(text).toContain(part);
    expect(findingText({ ...nan, spreadsToValidAtLayer: null }, 'eager')).not.toContain('layer 3');
    expect(findingClause({ ...nan, spreadsToValidAtLayer: null }, 'eager')).not.toContain('valid');
  });

  it('names step, head, query and key where scores overflow, and what cures it', () => {
    const origin = {
      layer: 1,
      step: 'scores',
      node: null,
      kind: 'overflow',
      weight: null,
      value: 'inf',
      row: 0,
      head: 2,
      query: 14,
      key: 3,
      largest: 65472,
    } as const;
    const text = findingText(
      {
        code: 'score-overflow',
        implementation: 'eager',
        batch: 'left',
        batches: 3,
        kind: 'valid',
        precision: 'fp16',
        origin,
      },
      'exact',
    );
    for (const part of [
      'eager',
      'batch left and 2 more',
      'QKᵀ',
      'layer 1',
      'head 2',
      'query position 14',
      'key position 3',
      '65504',
      '--scores-precision fp32',
    ])
      expect(text).toContain(part);
  });

  it('names the node where NaN begins outside attention', () => {
    const origin = {
      layer: 2,
      step: 'node',
      node: { name: '/mlp/MatMul', opType: 'MatMul' },
      kind: 'weights',
      weight: 'model.norm.weight',
      value: 'nan',
      row: null,
      head: null,
      query: null,
      key: null,
      largest: null,
    } as const;
    const text = findingText(
      {
        code: 'non-finite',
        implementation: 'eager',
        layer: 2,
        tap: 'hidden',
        scope: 'accumulated',
        batch: 'left',
        batches: 1,
        kind: 'valid',
        nan: 5,
        inf: 0,
        origin,
      },
      'exact',
    );
    for (const part of ['/mlp/MatMul', 'MatMul', 'weight']) expect(text).toContain(part);
  });

  it('names the reference', () => {
    expect(findingText({ code: 'identical', implementation: 'eager#2' }, 'exact')).toContain(
      'exact',
    );
  });
});

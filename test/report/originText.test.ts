import { describe, expect, it } from 'vitest';
import { findingLevel } from '../../src/metrics/index.js';
import { findingClause, findingText } from '../../src/report/findingText.js';
import { originPlace, originSentences } from '../../src/report/originText.js';
import type { Finding, NonFiniteOrigin } from '../../src/types.js';

const score: NonFiniteOrigin = {
  layer: 1,
  step: 'scores',
  node: null,
  kind: 'overflow',
  weight: null,
  value: 'inf',
  row: 2,
  head: 3,
  query: 17,
  key: 11,
  largest: 65216,
};
const overflow: Finding = {
  code: 'score-overflow',
  implementation: 'eager',
  batch: 'left',
  batches: 1,
  kind: 'valid',
  precision: 'fp16',
  origin: score,
};
const weight: NonFiniteOrigin = {
  layer: 2,
  step: 'node',
  node: { name: '/layers.2/mlp/up_proj/MatMul', opType: 'MatMul' },
  kind: 'weights',
  weight: 'model.norm.weight',
  value: 'nan',
  row: null,
  head: null,
  query: null,
  key: null,
  largest: 0.5,
};

function nonFinite(origin: NonFiniteOrigin | null): Finding {
  return {
    code: 'non-finite',
    implementation: 'eager',
    layer: 2,
    tap: 'hidden',
    scope: 'accumulated',
    batch: 'left',
    batches: 1,
    kind: 'valid',
    nan: 64,
    inf: 0,
    origin,
  };
}

describe('the place of an origin', () => {
  it('names the step, the layer, the head and both positions', () => {
    expect(originPlace(score)).toBe(
      'QKᵀ at layer 1, query head 3, query position 17, key position 11 of row 2',
    );
  });

  it("names the node where it is the file's own", () => {
    expect(originPlace(weight)).toBe('MatMul /layers.2/mlp/up_proj/MatMul at layer 2');
    expect(originPlace({ ...score, node: { name: '/attn/MatMul', opType: 'MatMul' } })).toBe(
      'QKᵀ (MatMul /attn/MatMul) at layer 1, query head 3, query position 17, key position 11 of row 2',
    );
  });

  it('calls positions those of tokens outside attention, and leaves out what there is not', () => {
    expect(originPlace({ ...weight, kind: 'overflow', row: 0, query: 4 })).toBe(
      'MatMul /layers.2/mlp/up_proj/MatMul at layer 2, token position 4 of row 0',
    );
    expect(originPlace({ ...weight, layer: null, node: { name: 'head', opType: 'Gemm' } })).toBe(
      'Gemm head',
    );
  });
});

describe('an overflow of scores', () => {
  it('is a fault with its place, its value, its range, what it means and its remedies', () => {
    expect(findingLevel(overflow)).toBe('fault');
    const text = findingText(overflow, 'eager');
    for (const part of [
      'eager, batch left: QKᵀ at layer 1',
      'is Inf',
      'fp16',
      '65504',
      '65216',
      'NaN',
      '--scores-precision fp32',
      'eager:scores=fp32',
      'sdpa and flash',
      'bf16',
      'low bits',
    ])
      expect(text).toContain(part);
    expect(findingClause(overflow, 'eager')).toContain('layer 1');
  });

  it("of the file's own nodes is not cured by a flag", () => {
    const text = findingText({ ...overflow, implementation: 'original' } as Finding, 'eager');
    expect(text).not.toContain('--scores-precision');
    expect(text).toContain('export');
  });

  it('beyond fp32 is no matter of precision', () => {
    const text = findingText(
      { ...overflow, precision: 'fp32', origin: { ...score, largest: null } } as Finding,
      'eager',
    );
    expect(text).not.toContain('scores=fp32');
    expect(text).toContain('nothing in that tensor is finite');
  });
});

describe('a NaN with its origin', () => {
  it('says why and what to do by its kind, in words of their own', () => {
    const kinds = ['overflow', 'fully-masked', 'invalid', 'weights', 'inside-kernel'] as const;
    const texts = kinds.map((kind) => originSentences({ ...weight, kind }));
    expect(new Set(texts).size).toBe(kinds.length);
    expect(texts[1]).toContain('--mask-fill min');
    expect(texts[3]).toContain(
      'a weight of the file that it reads, model.norm.weight, is not finite',
    );
    expect(findingText(nonFinite(weight), 'eager')).toContain(texts[3]!);
  });

  it('is told from one whose origin is not known', () => {
    expect(findingText(nonFinite(null), 'eager')).toContain('Fully masked rows do not explain it.');
    expect(findingText(nonFinite(weight), 'eager')).not.toContain(
      'Fully masked rows do not explain it.',
    );
  });
});

import { z } from 'zod';
import { describe, expect, it } from 'vitest';
import {
  causeFinding,
  explanation,
  recommendation,
  windowFinding,
} from '../../src/report/explanationSchema.js';
import { jsonReport } from '../../src/report/json.js';
import { explainReport } from '../../src/report/text/explain.js';
import { displayWidth } from '../../src/report/text/width.js';
import type { Deviation, DiffReport, Explanation, Finding } from '../../src/types.js';
import { sampleReport } from './sample.js';

const factor = (
  deviation: Deviation,
  explained: number,
  besides: Deviation | null = null,
): Explanation['factors'][number] => ({
  deviation,
  besides,
  cause: 'window-mismatch',
  relL2: Math.sqrt(1 - explained),
  explained,
});
const EXPLANATION: Explanation = {
  implementation: 'sdpa',
  reference: 'eager',
  layer: 1,
  batch: 'left',
  relL2: 0.4,
  changed: 'eager',
  standIn: null,
  factors: [
    factor({ kind: 'window', to: 5 }, 0.999),
    factor({ kind: 'scale', factor: 0.5948 }, 0.12),
    factor({ kind: 'fill', to: '-inf' }, NaN),
  ],
};
const CAUSE: Finding = {
  code: 'window-mismatch',
  implementation: 'sdpa',
  against: 'eager',
  layers: [1],
  batch: 'left',
  relL2: 0.4,
  limit: 1e-5,
  explained: 0.999,
  deviation: { kind: 'window', to: 5 },
  firstToken: 5,
};
const DIVERGENCE: Finding = {
  code: 'local-divergence',
  implementation: 'sdpa',
  layer: 1,
  batch: 'left',
  relL2: 0.4,
  limit: 1e-5,
  firstToken: 5,
};

function report(changes: Partial<DiffReport> = {}): DiffReport {
  return {
    ...sampleReport(),
    explanations: [EXPLANATION],
    findings: [CAUSE],
    recommendation: {
      training: 'flash',
      weights: 'eager',
      against: [{ implementation: 'sdpa', codes: ['window-mismatch'] }],
    },
    ...changes,
  };
}
const text = (changes: Partial<DiffReport> = {}, width = 100): string =>
  explainReport(report(changes), { width, color: false });

describe('explainReport', () => {
  it('shows what was changed, what that explains, what it means and what to use', () => {
    const lines = text().split('\n');
    expect(lines[0]).toMatch(/explain: sdpa, flash against eager$/);
    expect(lines).toContainEqual(
      expect.stringMatching(/^a sliding window of 5 tokens +0\.0316 +99\.9 %$/),
    );
    expect(lines).toContainEqual(
      expect.stringMatching(/^masked scores filled with −inf +NaN +NaN$/),
    );
    const flat = text().replace(/\s+/g, ' ');
    expect(flat).toContain('Layer 1: relative L2 0.400 before any change');
    expect(flat).toContain('sdpa, batch left: it used a sliding window of 5 tokens (layer 1).');
    expect(flat).toContain('Training flash (attn_implementation="flash_attention_2")');
    expect(flat).toContain('Weights eager (attn_implementation="eager"), output_attentions=True');
    expect(flat).toContain('Against sdpa: window-mismatch');
  });

  it('ends with the verdict, and each check that was missed with the limit that passes', () => {
    expect(text({}).replace(/\s+/g, ' ')).toMatch(
      /PASSED the gate, yet look at this: .* Checked: 82 valid tokens compared; no NaN or Inf in eager, sdpa, flash; .*\. $/,
    );
    const { verdict } = sampleReport({ gate: { maxAbs: 1e-6 } });
    const flat = text({ verdict }).replace(/\s+/g, ' ');
    expect(flat).toMatch(
      /Against sdpa: window-mismatch FAILED: .* 2 of 6 checks failed: ✗ max-abs, sdpa: /,
    );
    expect(flat).toContain(
      '✗ max-abs, flash: max|Δ| is 1.03e-5 at logits, accumulated, batch left; the limit is 1e-6. Smallest limit that passes: --max-abs 1.0274999999999999e-5. Again: attn-diff run ',
    );
  });

  it('says what came of a baseline', () => {
    const NONE = { count: 0, first: null };
    const baseline: DiffReport['baseline'] = {
      path: 'base.json',
      factor: 1.5,
      allowed: [],
      compared: 7,
      explained: NONE,
      stillNonFinite: NONE,
      nowFinite: NONE,
      missing: NONE,
      added: NONE,
    };
    expect(text({ baseline })).toMatch(/\n\nAgainst the baseline\n.*7 numbers.*base\.json/);
  });

  it('says what stood in for the reference', () => {
    expect(
      text({
        reference: 'exact',
        explanations: [
          { ...EXPLANATION, reference: 'exact', changed: 'exact', standIn: 'eager:mask=boolean' },
        ],
      }).replace(/\s+/g, ' '),
    ).toContain('exact, rebuilt as eager:mask=boolean because that has every setting');
  });

  it('says that nothing single explains it, and what came nearest', () => {
    const pair = factor({ kind: 'precision', to: 'bf16' }, 0.7, { kind: 'padding-side' });
    const flat = text({
      findings: [DIVERGENCE],
      explanations: [{ ...EXPLANATION, factors: [pair] }],
    }).replace(/\s+/g, ' ');
    expect(flat).toContain('No single change explains why sdpa parts from eager at layer 1');
    expect(flat).toContain(
      'what explains most is Q, K, V, probabilities and output in bf16, besides padding masked on the other side of each row: 70 %',
    );
    const without = (changes: Partial<Explanation>): string =>
      text({
        findings: [DIVERGENCE],
        explanations: [{ ...EXPLANATION, ...changes, factors: [] }],
      }).replace(/\s+/g, ' ');
    expect(without({})).toContain('a second pass does not show it');
    expect(without({ changed: 'flash', standIn: 'eager:mask=boolean' })).toContain(
      'eager:mask=boolean, which stands in for flash, is not near it',
    );
  });

  it('shows eight changes and counts the others', () => {
    const factors = Array.from({ length: 11 }, (_, i) =>
      factor({ kind: 'window', to: i + 1 }, 0.5 - i / 100),
    );
    expect(text({ explanations: [{ ...EXPLANATION, factors }] })).toContain(
      '3 other changes explained less',
    );
  });

  it('says where there is nothing to explain, and tells other faults', () => {
    const other: Finding = {
      code: 'window-not-as-configured',
      layers: [1],
      expected: 8,
      found: null,
    };
    const flat = text({
      explanations: [],
      findings: [other],
      recommendation: { training: null, weights: null, against: [] },
    }).replace(/\s+/g, ' ');
    expect(flat).toContain('there is no divergence to explain');
    expect(flat).toContain('✗ The masks of layer 1 have no sliding window');
    expect(flat).toContain('Training none of these is fit');
  });

  it('names the flag that would make eager fit for weights', () => {
    const scores: Finding = {
      ...CAUSE,
      code: 'low-precision-scores',
      implementation: 'eager',
      against: 'sdpa',
      deviation: { kind: 'scores-precision', to: 'bf16' },
    };
    expect(
      text({
        findings: [scores],
        recommendation: {
          training: 'sdpa',
          weights: null,
          against: [{ implementation: 'eager', codes: ['low-precision-scores'] }],
        },
      }).replace(/\s+/g, ' '),
    ).toContain('with --scores-precision fp32 eager may be');
  });

  it.each([60, 80, 120])('stays within %d columns', (width) => {
    for (const line of text({}, width).split('\n'))
      expect(displayWidth(line)).toBeLessThanOrEqual(width);
  });

  it('is plain without colour, and coloured with', () => {
    const escape = String.fromCodePoint(27);
    expect(text()).not.toContain(escape);
    expect(explainReport(report(), { width: 80, color: true })).toContain(escape);
  });
});

describe('the JSON form', () => {
  it('holds explanations, with NaN as a string', () => {
    const { explanations } = JSON.parse(jsonReport(report())) as { explanations: unknown[] };
    const factors = [
      ...EXPLANATION.factors.slice(0, 2),
      { ...EXPLANATION.factors[2], relL2: 'NaN', explained: 'NaN' },
    ];
    expect(explanations).toEqual([{ ...EXPLANATION, factors }]);
    expect(z.decode(explanation, explanations[0] as never)).toEqual(EXPLANATION);
    expect(recommendation.safeParse(report().recommendation).success).toBe(true);
    expect(
      windowFinding.safeParse({
        code: 'window-not-as-configured',
        layers: [1],
        expected: 8,
        found: null,
      }).success,
    ).toBe(true);
  });
  it.each<Deviation>([
    { kind: 'scale', factor: 2 },
    { kind: 'window', to: null },
    { kind: 'window', to: 4, slidingOnly: true },
    { kind: 'mask-shift', by: -1 },
    { kind: 'padding-side' },
    { kind: 'mask-ignored', part: 'causal' },
    { kind: 'alignment', to: 'top-left' },
    { kind: 'head-order', order: [1, 0] },
    { kind: 'kv-mapping' },
    { kind: 'positions', by: 1, inverseFrequencies: [1, 0.1] },
    { kind: 'mask-form', to: 'boolean' },
    { kind: 'fill', to: '-1e4' },
    { kind: 'precision', to: 'bf16' },
    { kind: 'scores-precision', to: 'fp16' },
    { kind: 'softmax-precision', to: 'fp32' },
    { kind: 'flush', below: 1e-5 },
    { kind: 'nan', head: 0 },
  ])('knows the deviation %j', (deviation) =>
    expect(causeFinding.safeParse({ ...CAUSE, deviation }).success).toBe(true),
  );
  it('knows no other', () =>
    expect(causeFinding.safeParse({ ...CAUSE, deviation: { kind: 'window', to: 0 } }).success).toBe(
      false,
    ));
});

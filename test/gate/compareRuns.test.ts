import { describe, expect, it } from 'vitest';
import { compareRuns, savedRun } from '../../src/gate/index.js';
import type { Comparison, DiffReport, EffectRow } from '../../src/types.js';
import { notANumber, sampleReport, withoutGuard } from '../report/sample.js';

const file = (report: DiffReport, path: string): Parameters<typeof compareRuns>[0] => ({
  path,
  report,
  run: savedRun(report),
});
const compared = (a: DiffReport, b: DiffReport, factor: number | null = null): Comparison =>
  compareRuns(file(a, 'a.json'), file(b, 'b.json'), factor);
const REPORT = sampleReport();

describe('two runs side by side', () => {
  it('are identical where they are the same, NaN and all', () => {
    for (const report of [REPORT, sampleReport({ edit: withoutGuard })]) {
      const same = compared(report, structuredClone(report));
      expect(same).toMatchObject({
        identical: true,
        differences: [],
        regression: null,
        findings: { came: [], went: [] },
      });
      expect(same.findings?.stayed).toEqual(report.findings);
      expect(same.rows).toHaveLength(report.rows.filter(({ kind }) => kind === 'valid').length);
    }
  });

  it('have the numbers of both and their ratio: 0/0 is 1, x/0 is Infinity, NaN stays NaN', () => {
    const b = sampleReport({
      edit: (row) =>
        row.implementation === 'flash'
          ? { ...row, relL2: row.relL2 * 3 }
          : row.implementation === 'eager' && row.layer === 0
            ? { ...row, relL2: 1e-9 }
            : row.implementation === 'sdpa' && row.layer === 1
              ? notANumber(row)
              : row,
    });
    const { rows, identical } = compared(REPORT, b);
    expect(identical).toBe(false);
    const at = (implementation: string, layer: number): Comparison['rows'][number] =>
      rows.find(
        (row) =>
          row.implementation === implementation && row.layer === layer && row.tap === 'hidden',
      )!;
    expect(at('flash', 0).ratio).toBeCloseTo(3, 12);
    expect(at('eager', 0).ratio).toBe(Infinity);
    expect(at('eager', 1).ratio).toBe(1);
    expect(at('sdpa', 1)).toMatchObject({
      ratio: NaN,
      b: { relL2: NaN, nan: 41 * 64 },
      a: { nan: 0 },
      rounding: 1e-5,
    });
  });

  it('tell field by field what was run otherwise', () => {
    const b: DiffReport = {
      ...REPORT,
      command: ['demo', '--prompt', 'two words'],
      model: {
        ...REPORT.model,
        exporter: 'pytorch 2.13.0 (dynamo)',
        sha256: 'd'.repeat(64),
        activations: 'bf16',
      },
      environment: { ...REPORT.environment, gpu: 'NVIDIA A2' },
      batches: REPORT.batches.map((batch) =>
        batch.name === 'left'
          ? { ...batch, tokens: { ...batch.tokens, valid: 42 } }
          : { ...batch, name: 'extra' },
      ),
      implementations: REPORT.implementations.map((info) =>
        info.name === 'flash'
          ? {
              ...info,
              kernel: 'naive',
              asked: { provider: 'cpu' as const, kernel: 'naive' as const },
              settings: 'block=64',
            }
          : info,
      ),
    };
    expect(compared(REPORT, b).differences).toEqual([
      {
        part: 'run',
        of: null,
        field: 'command',
        a: 'run --model fixtures/eager/model.onnx',
        b: "demo --prompt 'two words'",
      },
      {
        part: 'model',
        of: null,
        field: 'exporter',
        a: 'pytorch 2.8.0',
        b: 'pytorch 2.13.0 (dynamo)',
      },
      { part: 'model', of: null, field: 'sha256', a: 'a'.repeat(64), b: 'd'.repeat(64) },
      { part: 'model', of: null, field: 'activations', a: null, b: 'bf16' },
      { part: 'environment', of: null, field: 'gpu', a: null, b: 'NVIDIA A2' },
      {
        part: 'batch',
        of: 'left',
        field: 'tokens',
        a: 'valid 41, padding 0, fullyMasked 23',
        b: 'valid 42, padding 0, fullyMasked 23',
      },
      { part: 'batch', of: 'extra', field: 'name', a: null, b: 'extra' },
      { part: 'batch', of: 'right', field: 'name', a: 'right', b: null },
      {
        part: 'implementation',
        of: 'flash',
        field: 'asked',
        a: 'provider cpu, kernel none',
        b: 'provider cpu, kernel naive',
      },
      {
        part: 'implementation',
        of: 'flash',
        field: 'kernel',
        a: 'com.microsoft.GroupQueryAttention',
        b: 'naive',
      },
      { part: 'implementation', of: 'flash', field: 'settings', a: null, b: 'block=64' },
    ]);
  });

  it('of other layers or implementations keep what only one has', () => {
    const b = sampleReport({ layers: 3 });
    const { rows, identical } = compared(REPORT, {
      ...b,
      rows: b.rows.filter(({ implementation }) => implementation !== 'sdpa'),
    });
    expect(identical).toBe(false);
    const only = (side: 'a' | 'b'): Set<string> =>
      new Set(
        rows
          .filter((row) => row[side === 'a' ? 'b' : 'a'] === null)
          .map((row) => (side === 'a' ? row.implementation : `layer ${row.layer}`)),
      );
    expect(only('a')).toEqual(new Set(['sdpa']));
    expect(only('b')).toEqual(new Set(['layer 2']));
    expect(
      rows
        .filter(({ a, b: other }) => a === null || other === null)
        .every(({ ratio }) => ratio === null),
    ).toBe(true);
  });

  it('tell which findings came, went and stayed, one for one', () => {
    const broken = sampleReport({ edit: withoutGuard });
    const { came, went, stayed } = compared(REPORT, broken).findings!;
    const codes = (findings: DiffReport['findings']): string[] =>
      findings.map((each) => `${each.code} ${'implementation' in each ? each.implementation : ''}`);
    expect(codes(came)).toEqual(['fully-masked-nan sdpa']);
    expect(codes(went)).toEqual(['within-rounding sdpa']);
    expect(codes(stayed)).toEqual(['within-rounding flash', 'padding-by-design flash']);
    const twice = { ...REPORT, findings: [...REPORT.findings, REPORT.findings[0]!] };
    expect(codes(compared(REPORT, twice).findings!.came)).toEqual(['within-rounding sdpa']);
    expect(codes(compared(twice, REPORT).findings!.went)).toEqual(['within-rounding sdpa']);
  });

  it('tell no findings, verdict or path of a baseline', () => {
    const baseline = { path: 'base.json', report: null, run: savedRun(REPORT) };
    expect(compareRuns(baseline, file(REPORT, 'b.json'), null)).toMatchObject({
      identical: true,
      differences: [],
      findings: null,
      a: { kind: 'baseline', passed: null },
      b: { kind: 'report', passed: true },
    });
  });

  it('have Δ loss against the reference of each', () => {
    const effects = (loss: number): EffectRow[] =>
      [
        ['eager', 2],
        ['sdpa', loss],
      ].map(([implementation, value]) => ({
        batch: 'left',
        implementation: implementation as string,
        targets: 10,
        loss: value as number,
        perplexity: 1,
        kl: 0.5,
        flips: 1,
      }));
    const result = compared(
      { ...REPORT, effects: effects(2.5) },
      { ...REPORT, effects: effects(NaN) },
    ).effects;
    expect(
      result.map(({ implementation, a, b }) => [implementation, a?.lossDelta, b?.lossDelta]),
    ).toEqual([
      ['eager', 0, 0],
      ['sdpa', 0.5, NaN],
    ]);
  });

  it('fail only where a number has regressed and a factor was given', () => {
    const worse = sampleReport({
      edit: (row) => ({ ...row, relL2: row.implementation === 'flash' ? 1e-3 : row.relL2 }),
    });
    expect(compared(REPORT, worse).regression).toBeNull();
    expect(compared(REPORT, worse, 2).regression).toMatchObject({
      passed: false,
      told: { path: 'a.json', factor: 2 },
    });
    expect(compared(worse, REPORT, 2).regression).toMatchObject({ passed: true });
    expect(compared(REPORT, { ...REPORT, rows: [] }, 2).regression).toMatchObject({
      passed: false,
      told: { compared: 0 },
    });
  });
});

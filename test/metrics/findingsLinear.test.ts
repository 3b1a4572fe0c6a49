import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { divergenceFindings, FP32_LIMITS } from '../../src/metrics/divergence.js';
import { findings } from '../../src/metrics/findings.js';
import { nonFiniteFindings, notComparable } from '../../src/metrics/nonFinite.js';
import { paddingFindings } from '../../src/metrics/padding.js';
import type { Finding, Row } from '../../src/types.js';
import { sampleRow } from '../report/sample.js';

/** As the definition reads: every implementation in every batch looks through all rows. Without the order and the joining of batches. */
function byDefinition(
  rows: readonly Row[],
  batches: readonly string[],
  implementations: readonly string[],
  reference: string,
): Finding[] {
  const of = (name: string, batch?: string): Row[] =>
    rows.filter(
      (row) => row.implementation === name && (batch === undefined || row.batch === batch),
    );
  const others = implementations.filter((name) => name !== reference);
  return [
    ...batches.flatMap((batch) =>
      implementations.flatMap((name) => [
        ...nonFiniteFindings(of(name, batch), of(reference, batch)),
        ...(name === reference ? [] : notComparable(of(name, batch), of(reference, batch))),
      ]),
    ),
    ...others.flatMap((name) => [
      ...divergenceFindings(of(name), FP32_LIMITS, of(reference)),
      ...paddingFindings(of(name), of(reference)),
    ]),
    ...(others.some((name) => of(name).some(({ kind }) => kind === 'valid'))
      ? []
      : [{ code: 'nothing-compared', constant: [] } as Finding]),
  ];
}

/** One finding for several batches counts for each; which numbers the first of them had is told of that one alone. */
const counted = (found: readonly Finding[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const finding of found) {
    const {
      batch: _batch,
      batches = 1,
      nan: _nan,
      inf: _inf,
      ...same
    } = finding as Finding & { batch?: string; batches?: number; nan?: number; inf?: number };
    const key = JSON.stringify('batches' in finding ? same : finding);
    counts[key] = (counts[key] ?? 0) + batches;
  }
  return counts;
};

const names = ['eager', 'sdpa', 'flash'];
const batches = ['left', 'right', '3'];
const anyRow = fc.record({
  batch: fc.constantFrom(...batches, 'of no batch'),
  implementation: fc.constantFrom(...names, 'of none'),
  kind: fc.constantFrom('valid', 'padding', 'fullyMasked'),
  tap: fc.constantFrom('attention', 'hidden'),
  scope: fc.constantFrom('local', 'accumulated'),
  layer: fc.nat(2),
  relL2: fc.constantFrom(0, 1e-7, 1e-3, NaN),
  maxAbs: fc.constantFrom(0, 1),
  nan: fc.constantFrom(0, 0, 2),
  zeroRows: fc.nat(3),
} as const);

describe('findings', () => {
  it('are what the definition says, whatever the rows', () => {
    fc.assert(
      fc.property(fc.array(anyRow, { maxLength: 40 }), (parts) => {
        const rows = parts.map((part) => sampleRow(part as Partial<Row>));
        expect(
          counted(
            findings(
              rows,
              batches.map((name) => ({ name })),
              names,
              'eager',
            ),
          ),
        ).toEqual(counted(byDefinition(rows, batches, names, 'eager')));
      }),
      { numRuns: 300 },
    );
  });

  it('look at each row a few times, however many batches there are', () => {
    let reads = 0;
    const readsOf = (count: number): number => {
      const rows = Array.from({ length: count }, (_, i) => {
        const row = sampleRow({ batch: String(i), implementation: 'sdpa' });
        return Object.defineProperty(row, 'implementation', {
          enumerable: true,
          get: () => ((reads += 1), 'sdpa'),
        });
      });
      reads = 0;
      findings(
        rows,
        rows.map(({ batch }) => ({ name: batch })),
        ['eager', 'sdpa'],
        'eager',
      );
      return reads;
    };
    expect(readsOf(400) / readsOf(100)).toBeLessThan(5);
  });
});

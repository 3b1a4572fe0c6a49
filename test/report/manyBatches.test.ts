import { describe, expect, it } from 'vitest';
import { condensed } from '../../src/report/text/manyBatches.js';
import type { DiffReport, Row } from '../../src/types.js';
import { sampleReport, sampleRow } from './sample.js';

function reportOf(rows: Row[]): DiffReport {
  const sample = sampleReport();
  const batches = Array.from({ length: rows.length }, (_, i) => ({
    ...sample.batches[0]!,
    name: `${i + 1}`,
    size: 4,
    length: 10 + i,
  }));
  return { ...sample, batches, rows: rows.map((row, i) => ({ ...row, batch: `${i + 1}` })) };
}

describe('a report of many batches', () => {
  it('shows the worst batch of a place, with counts summed and the earliest token', () => {
    const { batches, rows } = condensed(
      reportOf(
        [0, 1, 2, 3, 4].map((i) =>
          sampleRow({
            relL2: [1, 5, 2, 3, 4][i]!,
            maxAbs: i,
            tokens: 10,
            nan: i,
            zeroRows: 1,
            firstToken: i === 0 ? null : 9 - i,
          }),
        ),
      ),
    );
    expect(rows).toEqual([
      expect.objectContaining({
        batch: 'the worst of 5',
        relL2: 5,
        maxAbs: 1,
        tokens: 50,
        nan: 10,
        zeroRows: 5,
        firstToken: 5,
      }),
    ]);
    expect(batches).toEqual([
      expect.objectContaining({
        name: 'the worst of 5',
        size: 20,
        length: 14,
        tokens: { valid: 205, padding: 0, fullyMasked: 115 },
      }),
    ]);
  });

  it('takes NaN for the worst, whenever it comes', () => {
    for (const at of [0, 2, 4]) {
      const rows = [0, 1, 2, 3, 4].map((i) => sampleRow({ relL2: i === at ? NaN : i }));
      expect(condensed(reportOf(rows)).rows[0]!.relL2).toBeNaN();
    }
  });

  it('stays as it is with four batches', () => {
    const report = reportOf([0, 1, 2, 3].map((relL2) => sampleRow({ relL2 })));
    expect(condensed(report)).toBe(report);
  });
});

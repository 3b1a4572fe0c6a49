import { describe, expect, it } from 'vitest';
import { FORMATS } from '../../src/report/index.js';
import { contextOf } from '../../src/report/text/context.js';
import { ranges } from '../../src/report/text/ranges.js';
import { displayWidth } from '../../src/report/text/width.js';
import type { DiffReport, RangeRow } from '../../src/types.js';
import { sampleReport } from './sample.js';

/** Layers whose scores grow: plenty of headroom, little, none, overflow; and one that is NaN. */
const SCORES = [812.5, 16376.5, 131008, Infinity, NaN];

function rangeRow(layer: number, changed: Partial<RangeRow> = {}): RangeRow {
  const maxScore = SCORES[layer]!;
  return {
    batch: 'left',
    layer,
    head: null,
    maxScore,
    scaledScore: maxScore / 8,
    headroom: 65504 / maxScore,
    maxKey: 51.25,
    entropy: maxScore > 1e5 ? NaN : 1.5,
    rowSumError: 2.384e-7,
    underflow: 0,
    weightsL2: 0.625,
    ...changed,
  };
}

function reportWith({ heads = 0 }: { heads?: number } = {}): DiffReport {
  const all = SCORES.flatMap((_, layer) =>
    ['left', 'right'].map((batch) => rangeRow(layer, { batch })),
  );
  const each = all.flatMap((row) => Array.from({ length: heads }, (_, head) => ({ ...row, head })));
  return { ...sampleReport(), ranges: [...all, ...each] };
}

function drawn(report: DiffReport, { width = 120, color = false } = {}): string[] {
  return ranges(report, contextOf({ width, color }));
}

describe('ranges in the text report', () => {
  it.each([60, 80, 120])('are what a reader has approved of, %i columns wide', async (width) => {
    const text = [reportWith(), reportWith({ heads: 2 })]
      .map((report) => drawn(report, { width }).join('\n'))
      .join('\n\n');
    await expect(`${text}\n`).toMatchFileSnapshot(`golden/ranges-${width}.txt`);
  });

  it('fit the terminal', () => {
    const wide = {
      ...reportWith({ heads: 14 }),
      ranges: reportWith({ heads: 14 }).ranges.map((row) => ({
        ...row,
        layer: row.layer + 100,
        maxScore: -row.maxScore * 1e-200,
        rowSumError: 1.234e-300,
        underflow: 1.234e-300,
      })),
    };
    for (const width of [60, 72, 80, 100, 200]) {
      for (const color of [false, true])
        expect(
          drawn(wide, { width, color }).filter(
            (line) => displayWidth(line) > width || line !== line.trimEnd(),
          ),
        ).toEqual([]);
    }
  });

  it('have a line per layer, and one per head where the report has heads', () => {
    const count = (report: DiffReport): number =>
      drawn(report).filter((line) => /^ +(\d+|all|\d+ +all) /.test(line)).length;
    expect(count(reportWith())).toBe(5);
    expect(count(reportWith({ heads: 3 }))).toBe(5 * 4);
  });

  it('warn of little headroom in yellow, of none and of NaN in red', () => {
    const paintOf = (headroom: number): string => {
      const report = { ...sampleReport(), ranges: [rangeRow(0, { headroom })] };
      const line = drawn(report, { color: true }).at(-1)!;
      return line.includes('\u001B[31m') ? 'red' : line.includes('\u001B[33m') ? 'yellow' : 'plain';
    };
    expect([Infinity, 4, 3.99, 1, 0.99, 0, NaN].map(paintOf)).toEqual([
      'plain',
      'plain',
      'yellow',
      'yellow',
      'red',
      'red',
      'red',
    ]);
    const nan = drawn(
      { ...sampleReport(), ranges: [rangeRow(0, { entropy: NaN })] },
      { color: true },
    ).at(-1);
    expect(nan).toContain('\u001B[31m\u001B[1mNaN');
  });

  it('are in the JSON form, NaN and Infinity as strings', () => {
    const { ranges: found } = JSON.parse(
      FORMATS.json(reportWith({ heads: 1 }), { width: 80, color: false }),
    ) as { ranges: Record<string, unknown>[] };
    expect(found).toHaveLength(5 * 2 * 2);
    expect(found.slice(4, 10).filter((_, i) => i % 2 === 0)).toMatchObject([
      { maxScore: 131008, entropy: 'NaN' },
      { maxScore: 'Infinity', headroom: 0 },
      { maxScore: 'NaN', headroom: 'NaN', head: null },
    ]);
  });

  it('are left out of a report that has none', () => {
    expect(drawn({ ...sampleReport(), ranges: [] })).toEqual([]);
  });
});

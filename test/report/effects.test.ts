import { describe, expect, it } from 'vitest';
import { FORMATS } from '../../src/report/index.js';
import { finiteRange, runsOf, sparkline } from '../../src/report/text/sparkline.js';
import { displayWidth } from '../../src/report/text/width.js';
import type { DiffReport, EffectRow } from '../../src/types.js';
import { sampleReport } from './sample.js';

const TITLE = 'Effect on the output';

/** A report whose rows `lossOf` gives, a batch after another. */
function reportOf(
  batches: number,
  lossOf: (batch: number, implementation: string) => number,
  edit: Partial<EffectRow> = {},
): DiffReport {
  const report = sampleReport();
  report.effects = Array.from({ length: batches }).flatMap((_, i) =>
    report.implementations.map(({ name }) => {
      const loss = lossOf(i, name);
      return {
        batch: `b${i + 1}`,
        implementation: name,
        targets: 1000,
        loss,
        perplexity: Math.exp(loss),
        kl: name === 'eager' ? 0 : 1.5e-4,
        flips: name === 'eager' ? 0 : 12,
        ...edit,
      };
    }),
  );
  return report;
}

const slightly = (batch: number, implementation: string): number =>
  2 + batch / 10 + (implementation === 'flash' ? 0.0125 : 0);

/** The lines of the section; none where there is no such section. */
function section(report: DiffReport, width = 120, color = false): string[] {
  const found = FORMATS.text(report, { width, color }).split('\n\n');
  const from = found.findIndex((part) => part.includes(TITLE));
  if (from < 0) return [];
  return found
    .slice(
      from,
      found.findIndex((part) => part.includes('Padding:')),
    )
    .join('\n\n')
    .split('\n');
}

const line = (lines: readonly string[], ...parts: string[]): string =>
  lines.find((each) => parts.every((part) => each.includes(part))) ?? '';

describe('effect on the output', () => {
  it('is left out where nothing was measured', () => {
    expect(section(sampleReport())).toEqual([]);
  });

  it('is what a reader has approved of', async () => {
    await expect(
      [...section(reportOf(2, slightly)), '', ...section(reportOf(12, slightly)), ''].join('\n'),
    ).toMatchFileSnapshot('golden/effects-120.txt');
    await expect(
      [...section(reportOf(2, slightly), 60), '', ...section(reportOf(120, slightly), 60), ''].join(
        '\n',
      ),
    ).toMatchFileSnapshot('golden/effects-60.txt');
  });

  it('shows the loss and what changes against the reference: of perplexity exp(Δ) − 1', () => {
    const lines = section(reportOf(1, slightly));
    expect(line(lines, 'eager *')).toMatch(/^b1 +eager \* +1,000 +2\.0000 +– +7\.3891 +– +– +–$/);
    expect(line(lines, ' flash ')).toMatch(
      /flash +1,000 +2\.0125 +\+0\.0125 +7\.4820 +\+1\.26% +1\.50e-4 +12 \(1\.20%\)$/,
    );
    expect(line(lines, ' sdpa ')).toMatch(/2\.0000 +0 +7\.3891 +0% /);
    expect(lines.some((each) => each.startsWith('all'))).toBe(false);
  });

  it('adds a line over all batches, weighted by their targets', () => {
    const report = reportOf(2, slightly);
    report.effects = report.effects.map((row) =>
      row.batch === 'b2' ? { ...row, targets: 3000 } : row,
    );
    expect(line(section(report), 'all', 'eager *')).toMatch(/4,000 +2\.0750/);
  });

  it('has a line and a sparkline for each implementation where batches are many', () => {
    const lines = section(
      reportOf(5, (batch, name) => (name === 'sdpa' && batch === 2 ? NaN : slightly(batch, name))),
    );
    expect(line(lines, 'eager *', '5,000')).toMatch(/^eager \* +5,000 +2\.2000/);
    expect(line(lines, 'sdpa', '5,000')).toMatch(/NaN +NaN +NaN +NaN/);
    expect(line(lines, 'Loss of 5 batches')).toBe(
      'Loss of 5 batches, in order: ▁ 2.0000 to █ 2.4125, × NaN',
    );
    expect(lines.filter((each) => /[▁-█×]{5}/.test(each))).toEqual([
      'eager *  ▁▂▄▆█',
      'sdpa     ▁▂×▆█',
      'flash    ▁▃▅▇█',
    ]);
  });

  it('draws one mark for several batches where they do not fit, a NaN among them kept', () => {
    const lines = section(
      reportOf(120, (batch, name) =>
        name === 'sdpa' && batch === 100 ? NaN : slightly(batch, name),
      ),
      60,
    );
    expect(line(lines, 'in order')).toContain('a mark for 3 batches');
    const sdpa = line(lines, 'sdpa ', '▁');
    expect(sdpa.slice(9)).toHaveLength(40);
    expect(sdpa.slice(9).indexOf('×')).toBe(33);
  });

  it('says so where there is nothing to predict, in some batches or in all', () => {
    const nothing = { targets: 0, loss: NaN, perplexity: NaN, kl: NaN, flips: 0 };
    expect(section(reportOf(3, () => NaN, nothing)).join(' ')).toMatch(/nothing to predict/);
    const some = reportOf(6, slightly);
    some.effects = some.effects.map((row) => (row.batch === 'b2' ? { ...row, ...nothing } : row));
    expect(section(some)).toContain('eager *  ▁·▄▅▇█');
    const listed = reportOf(2, slightly);
    listed.effects = listed.effects.map((row) =>
      row.batch === 'b2' ? { ...row, ...nothing } : row,
    );
    expect(line(section(listed), 'b2', 'eager *')).toMatch(/0 +– +– +– +– +– +–$/);
  });

  it('tells a KL that rounding explains from none', () => {
    expect(line(section(reportOf(1, slightly, { kl: -3e-17 })), 'sdpa')).toMatch(/ <1e-14 /);
    expect(line(section(reportOf(1, slightly, { kl: 0 })), 'sdpa')).toMatch(/ 0% +0 /);
    expect(line(section(reportOf(1, slightly, { kl: Infinity })), 'sdpa')).toMatch(/ Inf /);
  });

  it.each([60, 72, 80, 120])('fits a terminal of %i columns', (width) => {
    const reports = [1, 2, 5, 300].map((batches) =>
      reportOf(
        batches,
        (batch, name) => (name === 'flash' ? Infinity : slightly(batch, name) * 1e5),
        { flips: 123_456, targets: 1_234_567 },
      ),
    );
    const long = (name: string): string =>
      name === 'eager' ? name : `${name}:precision=bf16:scores=fp32`;
    const renamed = reports.map((report) => ({
      ...report,
      implementations: report.implementations.map((info) => ({ ...info, name: long(info.name) })),
      effects: report.effects.map((row) => ({
        ...row,
        implementation: long(row.implementation),
        batch: `a-long-batch-name-${row.batch}`,
      })),
    }));
    for (const report of [...reports, ...renamed]) {
      for (const color of [false, true])
        expect(
          section(report, width, color).filter(
            (each) => displayWidth(each) > width || each !== each.trimEnd(),
          ),
        ).toEqual([]);
    }
  });
});

describe('sparkline', () => {
  it('gives the range to the eight blocks evenly', () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7, 8], [0, 8])).toEqual({
      marks: '▁▂▃▄▅▆▇██',
      legend: [],
    });
    expect(sparkline([3, 3], [3, 3]).marks).toBe('▅▅');
  });

  it('marks what is no height, and explains the marks that it uses', () => {
    expect(sparkline([NaN, Infinity, null, 1], [1, 2])).toEqual({
      marks: '×∞·▁',
      legend: ['× NaN', '∞ infinite', '· nothing to predict'],
    });
    expect(sparkline([NaN], null)).toEqual({ marks: '×', legend: ['× NaN'] });
  });

  it('takes its range from finite values alone', () => {
    expect(finiteRange([NaN, 2, null, Infinity, -1])).toEqual([-1, 2]);
    expect(finiteRange([NaN, null])).toBeNull();
  });

  it('cuts lists into runs that are no more than asked for', () => {
    expect(runsOf([1, 2, 3, 4, 5], 2)).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
    expect(runsOf([1, 2], 9)).toEqual([[1], [2]]);
    expect(runsOf([], 3)).toEqual([]);
  });
});

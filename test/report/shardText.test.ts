import { describe, expect, it } from 'vitest';
import { explainReport, FORMATS } from '../../src/report/index.js';
import { REPORT_FORMATS, type DiffReport } from '../../src/types.js';
import { sampleReport, sampleShard } from './sample.js';

const plain = { width: 100, color: false };
const shard = sampleShard();

/** What the first of three parts says, of which the batch is that padded on the left. */
const part: DiffReport = { ...sampleReport(), shard, batches: sampleReport().batches.slice(0, 1) };
const nothing: DiffReport = {
  ...sampleReport(),
  shard: sampleShard(3),
  batches: [],
  rows: [],
  findings: [],
  verdict: { passed: true, checks: [] },
};

function words(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}

describe('a report of a shard', () => {
  it.each(['text', 'markdown', 'github', 'junit', 'html', 'sarif'] as const)(
    'as %s says which part it is, and what makes the whole',
    (format) => {
      const sentences =
        'This is shard 1 of 3, with 1 of 2 batches: left. The whole is what attn-diff merge makes of the JSON reports of all 3.';
      expect(words(FORMATS[format](part, plain))).toContain(sentences);
      expect(words(FORMATS[format](sampleReport(), plain))).not.toContain('This is shard');
    },
  );

  it('has a category of its own for code scanning, so that one shard does not replace the alerts of another', () => {
    interface Run {
      automationDetails?: { id: string; description: { text: string } };
      properties: { verdict: string; shard: unknown };
    }
    const runOf = (report: DiffReport): Run =>
      (JSON.parse(FORMATS.sarif(report, plain)) as { runs: [Run] }).runs[0];
    const { automationDetails, properties } = runOf(part);
    expect(automationDetails?.id).toBe('attn-diff/shard-1-of-3/');
    expect(automationDetails?.description.text).toMatch(
      /^This is shard 1 of 3, with 1 of 2 batches: left\./,
    );
    expect(properties.shard).toEqual({ index: 1, count: 3 });
    expect(runOf(sampleReport())).not.toHaveProperty('automationDetails');
    expect(runOf(sampleReport()).properties.shard).toBeNull();
  });

  it('says so at the top of the tables', () => {
    expect(FORMATS.text(part, plain)).toMatch(/^Shard +1 of 3, with 1 of 2 batches: left$/m);
    expect(explainReport(part, plain)).toMatch(/^Shard +1 of 3, with 1 of 2 batches: left$/m);
    expect(FORMATS.text(sampleReport(), plain)).not.toMatch(/^Shard/m);
  });

  it('names some of many batches', () => {
    const batches = Array.from({ length: 9 }, (_, i) => ({
      ...part.batches[0]!,
      name: `${i + 1}`,
    }));
    const many = {
      ...part,
      batches,
      shard: { ...shard, count: 1, batches: batches.map(({ name }) => name) },
    };
    expect(words(FORMATS.text(many, plain))).toContain(
      'with 9 of 9 batches: 1, 2, 3, 4, 5, 6, 7, 8, …',
    );
  });
});

describe('a report of a shard without batches', () => {
  it('says that nothing was checked, and shows no empty table', () => {
    const text = FORMATS.text(nothing, plain);
    expect(words(text)).toContain(
      'PASSED: there is nothing to report. This is shard 3 of 3, with none of 2 batches.',
    );
    expect(text).toContain('Nothing was checked');
    for (const title of ['Divergence', 'Padding', 'NaN and Inf', 'Findings'])
      expect(text).not.toContain(title);
  });

  it.each(REPORT_FORMATS)('can be written as %s', (format) => {
    expect(() => FORMATS[format](nothing, plain)).not.toThrow();
  });
});

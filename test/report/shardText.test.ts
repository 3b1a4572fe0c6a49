import { describe, expect, it } from 'vitest';
import { explainReport, FORMATS } from '../../src/report/index.js';
import { REPORT_FORMATS, type DiffReport, type Shard } from '../../src/types.js';
import { gateOf } from '../support/gate.js';
import { sampleReport } from './sample.js';

const plain = { width: 100, color: false };
const shard: Shard = { index: 1, count: 3, batches: ['left', 'right'], data: 'd'.repeat(64), gate: gateOf(), answers: { origins: [], nodes: [], causes: [] } };

/** What the first of three parts says, of which the batch is that padded on the left. */
const part: DiffReport = { ...sampleReport(), shard, batches: sampleReport().batches.slice(0, 1) };
const nothing: DiffReport = { ...sampleReport(), shard: { ...shard, index: 3 }, batches: [], rows: [], findings: [], verdict: { passed: true, checks: [] } };

function words(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}

describe('a report of a shard', () => {
  it.each(REPORT_FORMATS.filter((format) => !['json', 'jsonl', 'csv'].includes(format)))('as %s says which part it is, and what makes the whole', (format) => {
    expect(words(FORMATS[format](part, plain))).toContain('This is shard 1 of 3, with 1 of 2 batches: left.');
    expect(words(FORMATS[format](part, plain))).toContain('attn-diff merge');
    expect(words(FORMATS[format](sampleReport(), plain))).not.toContain('attn-diff merge');
  });

  it('says so at the top of the tables', () => {
    expect(FORMATS.text(part, plain)).toMatch(/^Shard +1 of 3, with 1 of 2 batches: left$/m);
    expect(explainReport(part, plain)).toMatch(/^Shard +1 of 3, with 1 of 2 batches: left$/m);
    expect(FORMATS.text(sampleReport(), plain)).not.toMatch(/^Shard/m);
  });

  it('names some of many batches', () => {
    const batches = Array.from({ length: 9 }, (_, i) => ({ ...part.batches[0]!, name: `${i + 1}` }));
    const many = { ...part, batches, shard: { ...shard, count: 1, batches: batches.map(({ name }) => name) } };
    expect(words(FORMATS.text(many, plain))).toContain('with 9 of 9 batches: 1, 2, 3, 4, 5, 6, 7, 8, …');
  });
});

describe('a report of a shard without batches', () => {
  it('says that nothing was checked, and shows no empty table', () => {
    const text = FORMATS.text(nothing, plain);
    expect(words(text)).toContain('PASSED: there is nothing to report. This is shard 3 of 3, with none of 2 batches.');
    expect(text).toContain('Nothing was checked');
    for (const title of ['Divergence', 'Padding', 'NaN and Inf', 'Findings']) expect(text).not.toContain(title);
  });

  it.each(REPORT_FORMATS)('can be written as %s', (format) => {
    expect(() => FORMATS[format](nothing, plain)).not.toThrow();
  });
});

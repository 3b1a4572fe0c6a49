import { describe, expect, it } from 'vitest';
import { BENCH_FORMATS } from '../../src/report/index.js';
import { benchSchema } from '../../src/report/benchSchema.js';
import { displayWidth } from '../../src/report/text/width.js';
import { sampleBench } from './benchSample.js';

const text = (width: number, report = sampleBench()): string =>
  BENCH_FORMATS.text(report, { width, color: false });
const squeezed = (report = sampleBench()): string => text(120, report).replaceAll(/\s+/g, ' ');

describe('the text of a bench', () => {
  it.each([60, 80, 120])('fits %i columns', (width) => {
    for (const color of [false, true]) {
      for (const line of BENCH_FORMATS.text(sampleBench(), { width, color }).split('\n'))
        expect(displayWidth(line)).toBeLessThanOrEqual(width);
    }
  });

  it.each([80, 120])('is what a reader has approved of, at %i columns', async (width) => {
    await expect(text(width)).toMatchFileSnapshot(`golden/bench-${width}.txt`);
  });

  it('marks the baseline, fallbacks, kernels that nothing tells, and failures', () => {
    expect(text(120).match(/original\*/g)).toHaveLength(2);
    expect(text(120).match(/sdpa@webgpu†/g)).toHaveLength(2);
    expect(text(120).match(/flash:window=none\?/g)).toHaveLength(1);
    expect(text(120)).toMatch(/^ *eager:precision=bf16 \(emulated\) +failed +– +– +– +–/m);
  });

  it('says what the marks mean, each thing once', () => {
    for (const part of [
      '† sdpa@webgpu asked for',
      '? nothing tells',
      '! The precision of eager:precision=bf16 is emulated',
      '✗ eager:precision=bf16 at length 1,024 ran out of memory',
    ])
      expect(squeezed().split(part)).toHaveLength(2);
  });

  it('says nothing of a GPU where none took part, nor of emulation where there was none', () => {
    const report = sampleBench();
    const plain = squeezed({
      ...report,
      rows: report.rows.filter(({ implementation }) => implementation === 'original'),
    });
    expect(plain).not.toMatch(/GPU|emulated|†|\?|✗/);
    expect(squeezed()).toContain('without that of a GPU, which is not measured');
  });
});

describe('a bench on a busy machine', () => {
  it('says which passes spread most, and what to do', () => {
    const report = sampleBench();
    report.rows[0]!.seconds!.mad = report.rows[0]!.seconds!.median / 4;
    report.rows[5]!.seconds!.mad = report.rows[5]!.seconds!.median / 2;
    expect(squeezed(report)).toContain(
      '! Passes spread by up to 50.0% of their median (original at length 1,024)',
    );
    expect(squeezed()).not.toContain('--repeat');
  });
});

describe('the JSON of a bench', () => {
  const json = (report = sampleBench()): string =>
    BENCH_FORMATS.json(report, { width: 80, color: true });

  it('is a document of its schema, and comes back as it was', () => {
    expect(benchSchema.parse(JSON.parse(json()))).toEqual(sampleBench());
    expect(json()).toMatch(/^\{\n {2}"schema": "attn-diff\/bench\/v1",\n/);
  });

  it('has strings for numbers that are not finite', () => {
    const report = sampleBench();
    report.rows[0]!.memoryRatio = Infinity;
    report.rows[0]!.ratio = NaN;
    expect((JSON.parse(json(report)) as { rows: unknown[] }).rows[0]).toMatchObject({
      memoryRatio: 'Infinity',
      ratio: 'NaN',
    });
  });

  it('has its keys in one order, however the report was put together', () => {
    const report = sampleBench();
    const backwards = {
      ...report,
      rows: report.rows.map((row) => Object.fromEntries(Object.entries(row).toReversed())),
    } as unknown as typeof report;
    expect(json(backwards)).toBe(json());
  });
});

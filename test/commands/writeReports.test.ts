import { expect, test } from 'vitest';
import { writeReports } from '../../src/commands/writeReports.js';
import { largeReport } from '../support/largeReport.js';

const report = largeReport({
  layers: 2,
  size: 1,
  length: 20,
  implementations: ['sdpa'],
  batches: ['left'],
  heads: 2,
  hasNaN: false,
});

/** What each format comes to. */
function written(headsTold: boolean): { html: string; json: string } {
  const texts = { html: '', json: '' };
  const outputs = (['html', 'json'] as const).map((format) => ({
    place: null,
    write: (text: string) => (texts[format] = text),
    discard: () => undefined,
  }));
  writeReports(
    report,
    {
      reports: [
        { format: 'html', path: 'page.html' },
        { format: 'json', path: 'report.json' },
      ],
      headsTold,
      ci: false,
      saveBaseline: null,
      history: null,
      baseline: null,
    },
    outputs,
  );
  return texts;
}

test('a page has the ranges of every head, other formats only where they are asked for', () => {
  const heads = ({ json }: { json: string }): unknown[] =>
    (JSON.parse(json) as typeof report).ranges.map(({ head }) => head);
  expect(heads(written(false))).toEqual([null, null]);
  expect(heads(written(true))).toEqual([null, 0, 1, null, 0, 1]);
  expect(written(false).html).toContain('data-chart="heads"');
});

test('a page has its script and style', () => {
  expect(written(false).html).toMatch(
    /<script>\/\*! This script contains:[^]*@observablehq\/plot [^]*Mike Bostock/,
  );
  expect(written(false).html).toContain('color-scheme: light dark');
});

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decode } from '../../src/page/decode.js';
import type { PageData } from '../../src/pageTypes.js';
import { checkSentences } from '../../src/report/checkText.js';
import { findingText } from '../../src/report/findingText.js';
import { htmlReport } from '../../src/report/html.js';
import { html } from '../../src/report/html/markup.js';
import { visible } from '../../src/printable.js';
import type { DiffReport, Row } from '../../src/types.js';
import { largeReport } from '../support/largeReport.js';
import { notANumber, sampleReport, withoutGuard } from './sample.js';

const OPTIONS = { width: 120, color: false };
const SCRIPT = 'document.title += "</scr" + "ipt>".length;';
const SMALL = {
  layers: 3,
  size: 2,
  length: 20,
  implementations: ['sdpa', 'flash'],
  batches: ['left'],
  heads: 2,
  hasNaN: true,
};

const clean = htmlReport(sampleReport(), OPTIONS);
const broken = sampleReport({ edit: withoutGuard, gate: { maxAbs: 1e-8 } });
const scripted = (report: DiffReport): string =>
  htmlReport(report, { ...OPTIONS, page: () => ({ script: SCRIPT, style: 'p { color: red }' }) });

/** The text of a piece of HTML, as a browser would show it. */
function textOf(page: string): string {
  const entities: Record<string, string> = {
    '&amp;': '&',
    '&lt;': '<',
    '&gt;': '>',
    '&quot;': '"',
    '&#39;': "'",
  };
  return page
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/&(?:amp|lt|gt|quot|#39);/g, (entity) => entities[entity]!);
}

/** Numbers with six digits; what is no number stays as it is. */
function six(row: Row): string[] {
  return Object.values(row).map((value) =>
    typeof value === 'number' ? value.toPrecision(6) : String(value),
  );
}

function dataOf(page: string): PageData {
  return JSON.parse(
    /<script type="application\/json" id="data">([^]*?)<\/script>/.exec(page)![1]!,
  ) as PageData;
}

describe('without its script the page holds', () => {
  const text = textOf(htmlReport(broken, OPTIONS));

  test('the verdict, first of all', () => {
    expect(textOf(/<main>([^]*)/.exec(htmlReport(broken, OPTIONS))![1]!).trim()).toMatch(
      /^Verdict\s+FAILED: sdpa became NaN/,
    );
    expect(textOf(clean)).toContain('PASSED: sdpa and flash stayed within rounding of eager');
    expect(textOf(clean)).toContain('Checked: 82 valid tokens compared');
  });

  test('each check that was missed, with limit and command', () => {
    const missed = broken.verdict.checks.filter(({ passed }) => !passed);
    expect(missed.length).toBeGreaterThan(2);
    for (const check of missed.filter(({ name }) => name !== 'finding'))
      expect(text).toContain(checkSentences(check));
    expect(text).toContain(
      'attn-diff run --model fixtures/eager/model.onnx --impl sdpa --padding left',
    );
  });

  test('each finding with its code', () => {
    expect(broken.findings.length).toBeGreaterThan(1);
    for (const finding of broken.findings) {
      expect(text).toContain(finding.code);
      expect(text).toContain(findingText(finding, 'eager'));
    }
  });

  test('what ran, with the evidence, and where', () => {
    for (const { evidence, kernel } of broken.implementations) {
      expect(text).toContain(evidence);
      expect(text).toContain(kernel);
    }
    for (const part of ['a'.repeat(64), 'AMD EPYC 7B13', 'onnxruntime 1.30.0'])
      expect(text).toContain(part);
  });

  test('what rounding does not explain in bold, by implementation and by layer', () => {
    const over = (page: string): string[] =>
      [...page.matchAll(/<td class="[^"]*\bover\b[^"]*">([^<]*)</g)].map(([, cell]) => cell!);
    const parted = sampleReport({
      edit: (row) =>
        row.implementation === 'flash' &&
        row.layer === 1 &&
        row.scope === 'local' &&
        row.kind === 'valid'
          ? { ...row, relL2: 2e-5 }
          : row,
    });
    expect(over(htmlReport(parted, OPTIONS))).toEqual(['2.00e-5 (layer 1)', '2.00e-5']);
    expect(over(htmlReport(broken, OPTIONS))).toEqual(
      expect.arrayContaining(['NaN (layer 1, attention)', 'NaN']),
    );
    expect(over(clean)).toEqual([]);
  });

  test('NaN, by name', () => {
    expect(text).toContain('NaN (layer 1, attention)');
    expect(text).toMatch(/Batch left: elements that are NaN or infinite/);
    expect(textOf(clean)).not.toContain('NaN or infinite');
  });

  test('every check in a table', () => {
    expect(
      [...htmlReport(broken, OPTIONS).matchAll(/<noscript>[^]*<\/noscript>/g)]
        .join('')
        .match(/<tr>/g),
    ).toHaveLength(broken.verdict.checks.length + 1);
  });
});

describe('hostile names', () => {
  const evil = '</script></style><img src=x onerror=alert(1)>"\'&<!--\u2028\u202E\n';
  const report = largeReport({ ...SMALL, implementations: [evil, 'flash'], batches: [evil] });
  const page = scripted({
    ...report,
    model: { ...report.model, path: evil },
    command: ['run', '--prompt', evil],
  });

  test('are shown as they are, and are no markup', () => {
    expect(page).not.toContain('<img');
    expect(page).not.toContain('<!--');
    expect(textOf(page)).toContain('</script></style><img src=x onerror=alert(1)>"\'&<!--');
    expect(page.match(/<\/script>/g)).toHaveLength(2);
    expect(page).not.toMatch(/[\u2028\u202E]/);
  });

  test('are the same in the data', () => {
    expect(dataOf(page).implementations[1]!.name).toBe(visible(evil));
    expect(dataOf(page).maps[0]!.streams[0]!.implementation).toBe(visible(evil));
  });

  test('of any kind leave a template as it was', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom(
            '<',
            '>',
            '&',
            '"',
            "'",
            '/',
            '-',
            '!',
            'p',
            ' ',
            '\n',
            '\u2028',
            '\u202E',
            'é',
            '\u{1F600}',
          ),
        }),
        (text) => {
          const made = html`<p title="${text}">${text}</p>`.text;
          expect(made.match(/[<>"]/g)).toEqual(['<', '"', '"', '>', '<', '>']);
          expect(textOf(made)).toBe(visible(text));
        },
      ),
    );
  });
});

describe('the network', () => {
  test('is forbidden by the page, but for its own script', () => {
    const page = scripted(sampleReport());
    const script = [...page.matchAll(/<script>([^]*?)<\/script>/g)];
    expect(script).toHaveLength(1);
    const hash = createHash('sha256').update(script[0]![1]!).digest('base64');
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/
      .exec(page)![1]!
      .replaceAll('&#39;', "'");
    expect(policy).toBe(
      `default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`,
    );
    expect(clean).not.toContain('script-src');
  });

  test('is named nowhere', () => {
    expect(clean).not.toMatch(/https?:|@import|url\(/);
    for (const [, target] of clean.matchAll(/(?:href|src)="([^"]*)"/g))
      expect(target).toMatch(/^(?:#|data:,$)/);
  });
});

describe('the data of the script', () => {
  const report = sampleReport({
    edit: (row) =>
      row.implementation === 'flash' && row.layer === 1
        ? notANumber(row)
        : row.layer === null
          ? { ...row, ratioFp32: Infinity }
          : row,
  });

  test('is every row, to six digits, cosines to all of them', () => {
    const rows = decode<Row>(dataOf(scripted(report)).tables.rows);
    expect(rows).toHaveLength(report.rows.length);
    for (const [i, row] of rows.entries()) {
      const expected = report.rows[i]!;
      expect(Object.keys(row)).toEqual(Object.keys(expected));
      expect([row.meanCosine, row.minCosine, row.layer, row.firstToken, row.batch]).toEqual([
        expected.meanCosine,
        expected.minCosine,
        expected.layer,
        expected.firstToken,
        expected.batch,
      ]);
      expect(six(row)).toEqual(six(expected));
    }
  });

  test('has losses with all their digits, since what matters is a small difference of two', () => {
    const made = largeReport({ ...SMALL, hasNaN: false });
    expect(decode(dataOf(scripted(made)).tables.effects)).toEqual(made.effects);
  });

  test('names the worst stream of each map, and where numbers begin and end', () => {
    const { maps, mapBytes } = dataOf(
      scripted({
        ...report,
        maps: [
          {
            batch: 'left',
            size: 1,
            length: 3,
            kinds: 'pvv',
            streams: [
              {
                implementation: 'sdpa',
                scope: 'local',
                layers: [0],
                relL2: Buffer.from([254, 90, 0]).toString('base64'),
              },
              {
                implementation: 'flash',
                scope: 'local',
                layers: [0],
                relL2: Buffer.from([3, 100, 255]).toString('base64'),
              },
            ],
          },
        ],
      }),
    );
    expect(maps[0]!.worst).toBe(1);
    expect(mapBytes).toEqual([90, 100]);
    expect(dataOf(scripted(report)).mapBytes).toBeNull();
  });
});

test('reads each row as often in a page of many batches as in one of few', () => {
  const readsARow = (count: number): number => {
    const report = largeReport({
      ...SMALL,
      batches: Array.from({ length: count }, (_, i) => `${i + 1}`),
    });
    let reads = 0;
    for (const row of report.rows) {
      const { batch } = row;
      Object.defineProperty(row, 'batch', { enumerable: true, get: () => ((reads += 1), batch) });
    }
    htmlReport(report, { ...OPTIONS, page: () => ({ script: SCRIPT, style: '' }) });
    return reads / report.rows.length;
  };
  expect(readsARow(24)).toBeLessThan(readsARow(3) + 1);
});

test('heads that were not measured are asked for', () => {
  expect(textOf(clean)).toContain('Run it with --heads');
  expect(textOf(htmlReport(largeReport(SMALL), OPTIONS))).not.toContain('--heads');
});

test('a run that compared nothing has its page', () => {
  const page = htmlReport(
    {
      ...sampleReport(),
      rows: [],
      effects: [],
      ranges: [],
      maps: [],
      findings: [{ code: 'nothing-compared', constant: [] }],
    },
    OPTIONS,
  );
  expect(textOf(page)).toContain('There is nothing that was compared.');
});

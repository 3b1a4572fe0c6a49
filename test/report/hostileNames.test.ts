import { csvParseRows } from 'd3';
import { describe, expect, it } from 'vitest';
import { create } from 'xmlbuilder2';
import { printable, printableJson } from '../../src/printable.js';
import { FORMATS, inspectionText } from '../../src/report/index.js';
import { explainReport } from '../../src/report/text/explain.js';
import { displayWidth } from '../../src/report/text/width.js';
import type { DiffReport } from '../../src/types.js';
import { sampleInspection, sampleReport, withoutGuard } from './sample.js';

/** What a name from outside may try: end a line, move the cursor, hide, turn the text, or be markup of some format. */
const HOSTILE = [
  'a\n::error::forged',
  'b\r\n::set-output name=x::y',
  'c\u001B]0;title\u0007\u001B[2J',
  'd\u009B31m',
  'e\u202Egpj.exe',
  'f\u200B\u2060\uFEFF',
  'g\u0000\u0001\u007F',
  'h\u2028\u2029\u0085i',
  '| forged | row |',
  '</td></testcase><script>alert(1)</script>',
  ']]><x/>',
  '`x` **y** [z](http://z)',
  '=cmd|calc',
  '%0A::error::x',
  '&#10;',
  'lone \uD800',
  '##[error]x',
  '##vso[task.setvariable]x',
  '::error::first',
  '{"forged":1}',
  '-->',
] as const;
const NAME = HOSTILE.join(' ');

/** Characters that no output may hold, but for its own line ends. */
const FORBIDDEN = new RegExp(
  String.raw`(?!\n)[\p{Bidi_Control}\p{Cc}\u2028\u2029\u200B\u2060\uFEFF]|\p{Cs}`,
  'u',
);

/** The report with hostile names wherever a name comes from outside. */
function hostileReport(name: string): DiffReport {
  const report = sampleReport({ edit: withoutGuard, gate: { failOn: 'nan', maxAbs: 1e-9 } });
  const renamed = (text: string): string =>
    text === 'sdpa'
      ? `sdpa ${name}`
      : text === 'left'
        ? `left ${name}`
        : text === 'fixtures/eager/model.onnx' ||
            text === 'pytorch 2.8.0' ||
            text === 'AMD EPYC 7B13'
          ? name
          : text;
  const walk = (value: unknown, key: string): unknown => {
    if (typeof value === 'string')
      return ['evidence', 'source'].includes(key) ? name : renamed(value);
    if (Array.isArray(value)) return value.map((item) => walk(item, key));
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(
        Object.entries(value).map(([field, item]) => [field, walk(item, field)]),
      );
    return value;
  };
  return walk(report, '') as DiffReport;
}

const REPORT = hostileReport(NAME);
const rendered = (format: keyof typeof FORMATS): string =>
  FORMATS[format](REPORT, { width: 80, color: false });

describe('names from outside', () => {
  it.each(Object.keys(FORMATS) as (keyof typeof FORMATS)[])(
    'put no character that controls or hides into %s',
    (format) => {
      const text = format === 'csv' ? rendered(format).replaceAll('\r\n', '\n') : rendered(format);
      expect(FORBIDDEN.exec(text)?.[0]).toBeUndefined();
      // A page is no log, and an annotation is a command already.
      expect(format === 'html' || format === 'github' ? '' : text).not.toMatch(/##\[|##vso\[/);
      expect(text).toContain('forged');
    },
  );

  it('make no line of the text that is not its own, whatever is wide', () => {
    const lines = rendered('text').split('\n');
    expect(lines.filter((line) => /^\s*::/.test(line))).toEqual([]);
    for (const line of [
      ...lines,
      ...explainReport(REPORT, { width: 80, color: false }).split('\n'),
    ])
      expect(line).not.toMatch(FORBIDDEN);
  });

  it('make no command of GitHub Actions', () => {
    for (const line of rendered('github').trimEnd().split('\n'))
      expect(line).toMatch(/^::(?:error|warning|notice) title=attn-diff[^:]*(?:%3A[^:]*)*::/);
  });

  it('end no line of the JSON lines, and come back whole', () => {
    const lines = rendered('jsonl')
      .trimEnd()
      .split(new RegExp(String.raw`\r\n|[\n\r\u0085\u2028\u2029\u001C-\u001E]`));
    const header = JSON.parse(lines[0]!) as DiffReport;
    expect(
      lines
        .map((line) => (JSON.parse(line) as { type: string }).type)
        .filter((type) => type === 'row'),
    ).toHaveLength(REPORT.rows.length);
    expect(header.model.path).toBe(NAME);
  });

  it('make no row and no formula of the CSV', () => {
    const rows = csvParseRows(rendered('csv'));
    expect(rows).toHaveLength(REPORT.rows.length + 1);
    expect(rendered('csv').split('\r\n')).toHaveLength(REPORT.rows.length + 2);
  });

  it('make no element of the JUnit XML', () => {
    const document = rendered('junit');
    expect(() => create(document)).not.toThrow();
    expect(document.match(/<testcase /g)).toHaveLength(REPORT.verdict.checks.length);
    expect(document).not.toContain('<script');
  });

  it('make no markup of the page and of the Markdown', () => {
    expect(rendered('html')).not.toMatch(/<script>alert/);
    const markdown = rendered('markdown');
    expect(markdown).not.toMatch(/<script>|<x\/>|[^\\]\[z\]\(|\| forged \| row/);
    expect(markdown.indexOf('-->')).toBe(markdown.split('\n')[0]!.length - 3);
  });

  it('are cut or broken to any width', () => {
    for (const name of [
      'x'.repeat(500),
      '模'.repeat(300),
      `${'y '.repeat(200)}`,
      '\u0301'.repeat(200),
    ]) {
      const report = hostileReport(name);
      for (const width of [1, 20, 60, 80, 1_000_000]) {
        const lines = FORMATS.text(report, { width, color: false }).split('\n');
        // A pasted command is never broken within an argument.
        for (const line of lines.filter((each) => !/Again|^ {4,}-|^\s*'/.test(each)))
          expect(displayWidth(line)).toBeLessThanOrEqual(Math.max(60, width));
      }
    }
  });

  it('do no harm to what inspect prints', () => {
    const inspection = sampleInspection();
    const hostile = {
      ...inspection,
      model: { ...inspection.model, path: NAME, exporter: NAME },
      layers: inspection.layers.map((layer) => ({ ...layer, node: NAME })),
    };
    const text = inspectionText(hostile, { width: 80, color: false });
    expect(text).not.toMatch(FORBIDDEN);
    expect(text).not.toMatch(/^\s*::/m);
  });
});

describe('printable', () => {
  it('shows what nobody sees, and keeps what scripts and emoji need', () => {
    expect(printable('e\u202Ex\u200By\uFEFF\u{E0041}')).toBe(
      String.raw`e\u202Ex\u200By\uFEFF\u{E0041}`,
    );
    expect(printable('\uD800')).toBe(String.raw`\uD800`);
    for (const text of [
      'می\u200Cروم',
      'क्\u200Dष',
      '👨\u200D👩\u200D👧',
      '❤\uFE0F',
      'naïve',
      'na\u0301',
    ])
      expect(printable(text)).toBe(text);
    expect(printable('a\u200Db')).toBe(String.raw`a\u200Db`);
  });

  it('leaves the meaning of JSON alone', () => {
    for (const text of HOSTILE)
      expect(JSON.parse(printableJson(JSON.stringify({ [text]: text })))).toEqual({ [text]: text });
  });
});

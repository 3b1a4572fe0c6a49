import { csvParse, csvParseRows } from 'd3';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FORMATS } from '../../src/report/index.js';
import type { Row } from '../../src/types.js';
import { sampleReport, sampleRow, withoutGuard } from './sample.js';

const plain = { width: 80, color: false };
const csv = (rows: Row[]): string => FORMATS.csv({ ...sampleReport(), rows }, plain);

/** What a field says, by the field it should equal. */
function valueOf(text: string, like: unknown): unknown {
  if (like === null) return text === '' ? null : text;
  return typeof like === 'number' ? Number(text) : text;
}

function read(rows: Row[]): unknown[] {
  return csvParse(csv(rows)).map((line, i) =>
    Object.fromEntries(
      Object.entries(rows[i]!).map(([key, like]) => [key, valueOf(line[key]!, like)]),
    ),
  );
}

describe('CSV report', () => {
  it('has the rows and all their digits, NaN and infinite ones included, for another parser', () => {
    const { rows } = sampleReport({ edit: withoutGuard });
    rows[0] = { ...rows[0]!, relL2: Infinity, bias: -Infinity, maxAbs: 2 / 3, meanL2: 5e-324 };
    expect(read(rows)).toEqual(rows);
    expect(csv(rows)).toContain(',-Infinity,');
  });

  it('comes back whatever names hold, but for what a spreadsheet would run or a line tool would break at', () => {
    const name = fc.string({
      unit: fc.constantFrom('a', '"', ',', '\n', '\r', ';', ' ', '=', 'é', '模', "'"),
      minLength: 1,
    });
    const number = fc.double().map((value) => value + 0);
    fc.assert(
      fc.property(
        fc.array(fc.record({ batch: name, implementation: name, relL2: number, bias: number }), {
          minLength: 1,
          maxLength: 4,
        }),
        (parts) => {
          const rows = parts.map((part) => sampleRow(part));
          const cell = (text: string): string =>
            (/^\s*=/.test(text) ? `'` : '') + text.replaceAll(/[\r\n]+/g, ' ');
          expect(read(rows)).toEqual(
            rows.map((row) => ({
              ...row,
              batch: cell(row.batch),
              implementation: cell(row.implementation),
            })),
          );
        },
      ),
    );
  });

  it.each([
    '=1+1',
    '+1',
    '-1',
    '@SUM(1)',
    '\t=1',
    '\r=1',
    '\n=1',
    ' =1',
    '＝1',
    "=cmd|'/c calc'!A0",
  ])('has no cell that a spreadsheet takes for a formula: %j', (name) => {
    const [line] = csvParse(
      csv([
        sampleRow({
          batch: name,
          implementation: `a${name}`,
          bias: -1e-3,
          meanL2: -Infinity,
          relL2: 1e300,
        }),
      ]),
    );
    expect(line!['batch']).toMatch(/^'\s*[=+\-@＝]/);
    expect(line!['implementation']).toMatch(/^a/);
    expect([line!['bias'], line!['meanL2'], line!['relL2']]).toEqual([
      '-0.001',
      '-Infinity',
      '1e+300',
    ]);
  });

  it('has the columns in the order of the schema, and a line end of CR LF after each line', () => {
    const text = csv(sampleReport().rows);
    const [names, ...lines] = csvParseRows(text);
    expect(names).toEqual(
      Object.keys((JSON.parse(FORMATS.json(sampleReport(), plain)) as { rows: object[] }).rows[0]!),
    );
    expect(lines).toHaveLength(sampleReport().rows.length);
    expect(text.match(/\r\n/g)).toHaveLength(lines.length + 1);
    expect(text.endsWith('\r\n')).toBe(true);
  });

  it('has its names even where there is no row', () => {
    expect(csvParseRows(csv([]))).toHaveLength(1);
  });
});

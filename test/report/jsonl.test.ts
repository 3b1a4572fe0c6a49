import { describe, expect, it } from 'vitest';
import { FORMATS, readReport } from '../../src/report/index.js';
import type { DiffReport } from '../../src/types.js';
import { readDocument, tablesBelow } from '../docs/documents.js';
import { sampleReport, withoutGuard } from './sample.js';

const plain = { width: 80, color: false };

type Line = { type: string } & Record<string, unknown>;

function linesOf(report: DiffReport): Line[] {
  const text = FORMATS.jsonl(report, plain);
  expect(text.endsWith('}\n')).toBe(true);
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

/** The JSON form put together again as docs/formats.md says. */
function document(lines: readonly Line[]): object {
  const of = (type: string): object[] =>
    lines.filter((line) => line.type === type).map(({ type: _, ...item }) => item);
  const verdict = { ...of('verdict')[0], checks: of('check') };
  return {
    ...of('header')[0],
    rows: of('row'),
    effects: of('effect'),
    ranges: of('range'),
    maps: of('map'),
    explanations: of('explanation'),
    findings: of('finding'),
    recommendation: of('recommendation')[0],
    timing: of('timing')[0],
    verdict,
  };
}

const FULL: DiffReport = {
  ...sampleReport({ edit: withoutGuard, gate: { maxAbs: 1e-6 } }),
  effects: ['eager', 'sdpa', 'flash'].map((implementation) => ({
    batch: 'left',
    implementation,
    targets: 37,
    loss: implementation === 'sdpa' ? NaN : 2,
    perplexity: Infinity,
    kl: 0,
    flips: 3,
  })),
  ranges: [
    {
      batch: 'left',
      layer: 0,
      head: null,
      maxScore: 113,
      scaledScore: 113 / 8,
      headroom: Infinity,
      maxKey: 6,
      entropy: 1.2,
      rowSumError: 2e-7,
      underflow: 0,
      weightsL2: 0.6,
    },
  ],
  maps: [
    {
      batch: 'left',
      size: 4,
      length: 16,
      kinds: 'mv'.repeat(32),
      streams: [
        {
          implementation: 'sdpa',
          scope: 'local',
          layers: [0],
          relL2: Buffer.alloc(64, 254).toString('base64'),
        },
      ],
    },
  ],
  explanations: [
    {
      implementation: 'sdpa',
      reference: 'eager',
      layer: 1,
      batch: 'left',
      relL2: 0.1,
      changed: 'eager',
      standIn: null,
      factors: [
        {
          deviation: { kind: 'scale', factor: 2 },
          besides: null,
          cause: 'scale-mismatch',
          relL2: 1e-7,
          explained: -Infinity,
        },
      ],
    },
  ],
};

describe('JSONL report', () => {
  it('is the same report as the JSON form, in lines', () => {
    const again = readReport(JSON.stringify(document(linesOf(FULL))), 'lines.jsonl');
    expect(again).toEqual(readReport(FORMATS.json(FULL, plain), 'report.json'));
    expect(again).toEqual(FULL);
  });

  it('has its lines in one order: the header first, the verdict last', () => {
    const types = linesOf(FULL).map(({ type }) => type);
    expect(types.filter((type, i) => type !== types[i - 1])).toEqual([
      'header',
      'row',
      'effect',
      'range',
      'map',
      'explanation',
      'finding',
      'recommendation',
      'check',
      'timing',
      'verdict',
    ]);
    expect(types.filter((type) => type === 'row')).toHaveLength(FULL.rows.length);
  });

  it('begins every line with its type, and has times in one line alone', () => {
    const other = { ...FULL, timing: { loadSeconds: 9, runSeconds: 9 } };
    const [lines, others] = [FULL, other].map((report) =>
      FORMATS.jsonl(report, plain).trimEnd().split('\n'),
    );
    expect(lines!.every((line) => line.startsWith('{"type":"'))).toBe(true);
    expect(lines!.filter((line, i) => line !== others![i])).toEqual([
      '{"type":"timing","loadSeconds":0.2,"runSeconds":1.5}',
    ]);
  });

  it('has the types that its page lists', () => {
    const [types] = tablesBelow(readDocument('docs/formats.md'), '## JSONL');
    expect(types!.map(([type]) => type!.replaceAll('`', ''))).toEqual([
      ...new Set(linesOf(FULL).map(({ type }) => type)),
    ]);
  });

  it('has in its header the keys that its page lists', () => {
    const [[header]] = tablesBelow(readDocument('docs/formats.md'), '## JSONL') as [string[][]];
    const { type: _, ...keys } = linesOf(FULL)[0]!;
    expect([...header![2]!.matchAll(/`(\w+)`/g)].map(([, key]) => key)).toEqual(Object.keys(keys));
  });

  it('is written even where the schema refuses it', () => {
    const report = sampleReport();
    report.rows[0]!.tokens = 1.5;
    expect(linesOf(report)).toContainEqual(expect.objectContaining({ type: 'row', tokens: 1.5 }));
  });
});

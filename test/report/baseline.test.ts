import { describe, expect, it } from 'vitest';
import { savedRun } from '../../src/gate/index.js';
import {
  baselineJson,
  documentJsonSchema,
  FORMATS,
  readSaved,
  savedText,
} from '../../src/report/index.js';
import { comparisonSentences } from '../../src/report/baselineText.js';
import type { BaselineComparison, DiffReport } from '../../src/types.js';
import { sampleReport, withoutGuard } from './sample.js';

const options = { width: 80, color: false };
const BROKEN: DiffReport = {
  ...sampleReport({ edit: withoutGuard }),
  effects: ['eager', 'sdpa', 'flash'].map((implementation) => ({
    batch: 'left',
    implementation,
    targets: 3,
    ...(implementation === 'sdpa'
      ? { loss: Infinity, perplexity: Infinity, kl: NaN, flips: 3 }
      : { loss: 2, perplexity: 7, kl: 0, flips: 0 }),
  })),
};

describe('a baseline as JSON', () => {
  it('comes back as it was, NaN and Infinity included', () => {
    const text = baselineJson(BROKEN);
    expect(readSaved(text, 'base.json')).toEqual({ run: savedRun(BROKEN), report: null });
    expect(text).toContain('"relL2":"NaN"');
    expect(text).toContain('"loss":"Infinity"');
  });

  it('has a line for each batch, implementation, row on valid tokens and effect', () => {
    const lines = baselineJson(BROKEN).split('\n');
    const items = lines.filter((line) => line.startsWith('    {'));
    const valid = BROKEN.rows.filter(({ kind }) => kind === 'valid').length;
    expect(items).toHaveLength(2 + 3 + valid + 3);
    for (const item of items)
      expect(() => JSON.parse(item.replace(/,$/, '')) as unknown).not.toThrow();
    expect(baselineJson(BROKEN)).toMatch(
      /^\{\n {2}"schema": "attn-diff\/baseline\/v1",\n[^]*\n\}\n$/,
    );
  });

  it('does not hang on times, paths, findings, limits, or the order of rows', () => {
    const report = sampleReport();
    const other: DiffReport = {
      ...sampleReport({ gate: { maxAbs: 0 } }),
      rows: report.rows.toReversed(),
      maps: [],
      findings: [],
      command: ['demo'],
      timing: { loadSeconds: 9, runSeconds: 9 },
      model: { ...report.model, path: '/elsewhere/model.onnx' },
      batches: report.batches.map((batch) => ({ ...batch, source: 'another' })),
      implementations: report.implementations.map((info) => ({
        ...info,
        evidence: 'otherwise',
        proof: 'not-provable' as const,
        reason: 'not-told' as const,
      })),
    };
    expect(baselineJson(other)).toBe(baselineJson(report));
    expect(
      baselineJson(sampleReport({ edit: (row) => ({ ...row, relL2: row.relL2 * 2 }) })),
    ).not.toBe(baselineJson(report));
  });

  it('may be a whole report in its place', () => {
    const read = readSaved(FORMATS.json(BROKEN, options), 'report.json');
    expect(read).toEqual({ run: savedRun(BROKEN), report: BROKEN });
  });

  it.each([
    ['{', 'it is not JSON'],
    ['null', 'its schema is not named'],
    ['[]', 'its schema is not named'],
    ['{"schema":"attn-diff/bench/v1"}', 'attn-diff/bench/v1'],
    [
      '{"schema":"attn-diff/baseline/v2"}',
      'its schema is attn-diff/baseline/v2, and this version reads attn-diff/baseline/v1 and attn-diff/report/v1',
    ],
    ['{"schema":"attn-diff/baseline/v1"}', 'model'],
    [baselineJson(BROKEN).replace('"relL2":"NaN"', '"relL2":"nan"'), 'relL2'],
    [baselineJson(BROKEN).replace('"flips":3', '"flips":3,"more":1'), 'more'],
  ])('%.40s is refused', (text, problem) => {
    expect(() => readSaved(text, 'base.json')).toThrow(
      expect.objectContaining({
        code: 'report-unreadable',
        exitCode: 2,
        args: { path: 'base.json', problem: expect.stringContaining(problem) as string },
      }) as Error,
    );
  });

  it('has a schema with every field described', () => {
    const schema = documentJsonSchema('baseline') as {
      properties: { rows: { items: { properties: Record<string, { description?: string }> } } };
    };
    const { properties } = schema.properties.rows.items;
    expect(Object.keys(properties)).toEqual([
      'batch',
      'layer',
      'tap',
      'scope',
      'implementation',
      'maxAbs',
      'relL2',
      'exactRelL2',
      'nan',
      'inf',
    ]);
    expect(Object.values(properties).every(({ description }) => description)).toBe(true);
  });
});

describe('what is told of a baseline', () => {
  const none = { count: 0, first: null };
  const first = {
    metric: 'rel-l2',
    layer: 1,
    implementation: 'sdpa',
    tap: 'attention',
    scope: 'local',
    batch: 'left',
  } as const;
  const quiet: BaselineComparison = {
    path: 'base.json',
    factor: 1.5,
    allowed: [],
    compared: 94,
    explained: none,
    stillNonFinite: none,
    nowFinite: none,
    missing: none,
    added: none,
  };

  it('is how much was compared, and nothing more where there is nothing', () => {
    expect(comparisonSentences(quiet)).toEqual([
      '94 numbers on valid tokens held against base.json; each may be up to 1.5 times what it was, or what rounding or chance explains.',
    ]);
  });

  it('is what was let pass by name, with both values', () => {
    const allowed = [
      { field: 'model', of: null, was: 'a'.repeat(64), is: 'b'.repeat(64) },
      { field: 'kernel', of: 'flash', was: 'one', is: 'two' },
      { field: 'batches', of: 'left', was: 'a'.repeat(64), is: 'b'.repeat(64) },
    ] as const;
    expect(comparisonSentences({ ...quiet, allowed: [...allowed] })[1]).toBe(
      'Let pass by --allow model,kernel,batches: the model (SHA-256) (aaaaaaaaaaaa… there, bbbbbbbbbbbb… here); the kernel of flash (one there, two here); the tokens of batch left (SHA-256) (aaaaaaaaaaaa… there, bbbbbbbbbbbb… here).',
    );
  });

  it('is what no check tells, with its first place', () => {
    const tally = { count: 1234, first };
    expect(
      comparisonSentences({
        ...quiet,
        explained: tally,
        stillNonFinite: tally,
        nowFinite: tally,
        missing: tally,
        added: { count: 1, first },
      }).slice(1),
    ).toEqual([
      '1,234 numbers grew by more than 1.5 times, which rounding or chance explains; the first is relative L2 of sdpa at layer 1, attention, local, batch left.',
      '1,234 numbers are NaN or infinite, as in the baseline; the first is relative L2 of sdpa at layer 1, attention, local, batch left.',
      '1,234 numbers are finite that were NaN or infinite in the baseline; the first is relative L2 of sdpa at layer 1, attention, local, batch left.',
      '1,234 numbers are in the baseline alone; the first is relative L2 of sdpa at layer 1, attention, local, batch left.',
      '1 number is in this run alone; the first is relative L2 of sdpa at layer 1, attention, local, batch left.',
    ]);
  });

  it('stands in the report, and only where a baseline was given', () => {
    expect(FORMATS.text(sampleReport(), options)).not.toContain('baseline');
    expect(FORMATS.text({ ...sampleReport(), baseline: quiet }, options)).toContain(
      'Against the baseline\n94 numbers on valid tokens held against base.json',
    );
    expect(FORMATS.markdown(sampleReport(), options)).not.toContain('baseline');
    expect(FORMATS.markdown({ ...sampleReport(), baseline: quiet }, options)).toContain(
      '### Against the baseline\n\n- 94 numbers on valid tokens held against base.json; each',
    );
  });

  it('is whether it was saved, and why not', () => {
    expect(savedText('b.json', null)).toBe('saved the baseline b.json.');
    expect(savedText('b.json', { why: 'failed', implementations: ['sdpa', 'flash'] })).toBe(
      'did not save the baseline b.json, since sdpa and flash did not run to their end. What was there before is unchanged.',
    );
    expect(savedText('b.json', { why: 'shard', index: 1, count: 2 })).toContain('part 1 of 2');
    expect(savedText('b.json', { why: 'nothing-compared' })).toContain('compared nothing');
  });
});

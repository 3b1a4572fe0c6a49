import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { documentJsonSchema, FORMATS, inspectionJson, readReport } from '../../src/report/index.js';
import { reportSchema } from '../../src/report/schema.js';
import { judge } from '../../src/gate/index.js';
import type { DiffReport, Finding } from '../../src/types.js';
import { gateOf } from '../support/gate.js';
import { sampleInspection, sampleReport, withoutGuard } from './sample.js';

const plain = { width: 80, color: true };

function parse(report: DiffReport): unknown {
  return JSON.parse(FORMATS.json(report, plain));
}

const EVERY_FINDING: Finding[] = [
  {
    code: 'padding-by-design',
    implementation: 'flash',
    zeroRows: 4,
    reference: 'eager',
    referenceZeroRows: 0,
    tokens: 4,
  },
  {
    code: 'fully-masked-nan',
    implementation: 'original',
    layer: 0,
    batch: 'left',
    batches: 1,
    kind: 'fullyMasked',
    spreadsToValidAtLayer: null,
  },
  {
    code: 'non-finite',
    implementation: 'sdpa',
    layer: null,
    tap: 'logits',
    scope: 'accumulated',
    batch: 'left',
    batches: 1,
    kind: 'valid',
    nan: 1,
    inf: 0,
    origin: null,
  },
  {
    code: 'score-overflow',
    implementation: 'eager',
    batch: 'left',
    batches: 2,
    kind: 'valid',
    precision: 'fp16',
    origin: {
      layer: 1,
      step: 'scores',
      node: null,
      kind: 'overflow',
      weight: null,
      value: 'inf',
      row: 0,
      head: 2,
      query: 4,
      key: 0,
      largest: 65504,
    },
  },
  {
    code: 'scale-mismatch',
    implementation: 'sdpa',
    against: 'eager',
    layers: [1, 2],
    batch: 'left',
    relL2: 0.1,
    limit: 1e-5,
    explained: 0.999,
    deviation: { kind: 'scale', factor: 2 },
    firstToken: 1,
  },
  { code: 'window-not-as-configured', layers: [3], expected: 8, found: null },
  {
    code: 'not-comparable',
    implementation: 'flash',
    reference: 'eager',
    layer: 1,
    tap: 'hidden',
    batch: 'left',
    batches: 1,
  },
  {
    code: 'propagation-only',
    implementation: 'sdpa',
    localRelL2: 1e-7,
    accumulatedRelL2: 1e-3,
    layer: 3,
    tap: 'hidden',
    kernels: 'right',
  },
  {
    code: 'within-rounding',
    implementation: 'sdpa',
    localRelL2: 1e-7,
    accumulatedRelL2: 1e-6,
    limit: 1e-5,
  },
  {
    code: 'local-divergence',
    implementation: 'sdpa',
    layer: 2,
    batch: 'left',
    relL2: Infinity,
    limit: 1e-5,
    firstToken: null,
  },
  { code: 'identical', implementation: 'eager#2' },
  { code: 'nothing-compared', constant: [] },
];

describe('JSON report', () => {
  it('is a document of its schema, with every finding and with NaN and Infinity', () => {
    const report = {
      ...sampleReport({ edit: withoutGuard, gate: { maxAbs: Infinity } }),
      findings: EVERY_FINDING,
    };
    expect(() => reportSchema.parse(parse(report))).not.toThrow();
  });

  it('comes back as it was, NaN and ±Infinity included', () => {
    const report = sampleReport({ edit: withoutGuard });
    Object.assign(report.rows[0]!, { inf: 1, maxAbs: Infinity, relL2: Infinity, bias: -Infinity });
    report.verdict = judge(report, gateOf());
    expect(readReport(FORMATS.json(report, plain), 'report.json')).toEqual(report);
    // Reports of before hybrid models were read say nothing of layers that are not compared.
    const {
      model: { notCompared: _, sinks: _sinks, ...model },
      ...rest
    } = JSON.parse(FORMATS.json(report, plain)) as { model: Record<string, unknown> };
    expect(readReport(JSON.stringify({ model, ...rest }), 'report.json')).toEqual(report);
    expect(FORMATS.json(report, plain)).toMatch(/"bias": "-Infinity"/);
  });

  it('is indented by two spaces, ends in a line end, and has no colour', () => {
    const text = FORMATS.json(sampleReport(), plain);
    expect(text).toMatch(/^\{\n {2}"schema": "attn-diff\/report\/v1",\n/);
    expect(text.endsWith('}\n')).toBe(true);
    expect(text).not.toContain('\u001B');
  });

  it('has its keys in one order, however the report was put together', () => {
    const report = sampleReport();
    expect(FORMATS.json(backwards(report) as DiffReport, plain)).toBe(FORMATS.json(report, plain));
  });

  it('has the field names of a row that are promised', () => {
    const [row] = (parse(sampleReport()) as { rows: object[] }).rows;
    expect(Object.keys(row!)).toEqual([
      'batch',
      'layer',
      'tap',
      'scope',
      'implementation',
      'kind',
      'tokens',
      'maxAbs',
      'meanL2',
      'relL2',
      'meanCosine',
      'minCosine',
      'bias',
      'nan',
      'inf',
      'zeroRows',
      'firstToken',
      'exactMaxAbs',
      'exactRelL2',
      'exactBias',
      'ratioFp32',
      'ratioPlain',
    ]);
  });

  it('is written even where the schema refuses it', () => {
    const report = sampleReport();
    report.rows[0]!.tokens = 1.5;
    expect(parse(report)).toMatchObject({
      rows: expect.arrayContaining([expect.objectContaining({ tokens: 1.5 })]),
    });
  });
});

describe('schema', () => {
  it('refuses fields that it does not know, fields that are missing, and bare NaN', () => {
    const good = parse(sampleReport()) as Record<string, unknown>;
    expect(reportSchema.safeParse(good).success).toBe(true);
    expect(reportSchema.safeParse({ ...good, more: 1 }).success).toBe(false);
    expect(
      reportSchema.safeParse({ ...good, rows: [{ ...(good['rows'] as object[])[0], maxAbs: NaN }] })
        .success,
    ).toBe(false);
    for (const key of Object.keys(good)) {
      const { [key]: _, ...rest } = good;
      expect([key, reportSchema.safeParse(rest).success]).toEqual([key, false]);
    }
  });

  it('is JSON Schema with a description of every field of a row', () => {
    const schema = documentJsonSchema('report') as {
      $schema: string;
      properties: {
        rows: {
          items: {
            properties: Record<string, { description?: string }>;
            additionalProperties: boolean;
          };
        };
      };
    };
    expect(schema.$schema).toContain('json-schema.org');
    const { properties, additionalProperties } = schema.properties.rows.items;
    expect(additionalProperties).toBe(false);
    expect(Object.keys(properties).filter((name) => !properties[name]?.description)).toEqual([]);
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
  });

  it('takes the document also as JSON Schema read back', () => {
    const read = z.fromJSONSchema(
      documentJsonSchema('report') as Parameters<typeof z.fromJSONSchema>[0],
    );
    expect(read.safeParse(parse(sampleReport({ edit: withoutGuard }))).success).toBe(true);
    expect(read.safeParse({ schema: 'attn-diff/report/v1' }).success).toBe(false);
  });
});

describe('inspection as JSON', () => {
  it('writes a fill of −inf as a string', () => {
    const document = JSON.parse(inspectionJson(sampleInspection())) as {
      layers: { mask: { fill: unknown } }[];
    };
    expect(document.layers[0]!.mask.fill).toBe('-Infinity');
    expect(document.layers).toHaveLength(24);
  });
});

function backwards(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(backwards);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, item]) => [key, backwards(item)]),
  );
}

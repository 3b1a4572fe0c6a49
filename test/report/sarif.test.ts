import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { FINDING_CODES } from '../../src/metrics/index.js';
import { FORMATS } from '../../src/report/index.js';
import type { Check, DiffReport, Finding } from '../../src/types.js';
import { sampleReport, sampleShard, withoutGuard } from './sample.js';

const plain = { width: 80, color: false };
const BROKEN = sampleReport({
  layers: 6,
  edit: withoutGuard,
  gate: { maxAbs: 1e-6, minCosine: 0.9999999, defaults: 'error' },
});

interface Result {
  ruleId: string;
  ruleIndex: number;
  level: string;
  message: { text: string };
  locations: {
    physicalLocation: { artifactLocation: { uri: string; uriBaseId?: string } };
    logicalLocations?: { name: string; fullyQualifiedName: string; kind: string }[];
  }[];
  partialFingerprints: Record<string, string>;
}

interface Log {
  $schema: string;
  runs: [
    {
      tool: {
        driver: {
          rules: {
            id: string;
            name: string;
            help: { text: string };
            defaultConfiguration: { level: string };
          }[];
        };
      };
      invocations: { exitCode: number; executionSuccessful: boolean }[];
      results: Result[];
      properties: Record<string, unknown>;
    },
  ];
}

const sarif = (report: DiffReport): Log => JSON.parse(FORMATS.sarif(report, plain)) as Log;
const resultsOf = (report: DiffReport): Result[] => sarif(report).runs[0].results;
const withPath = (path: string, platform = 'linux'): DiffReport => ({
  ...BROKEN,
  model: { ...BROKEN.model, path },
  environment: { ...BROKEN.environment, platform },
});
const uriOf = (report: DiffReport): string =>
  resultsOf(report)[0]!.locations[0]!.physicalLocation.artifactLocation.uri;

// The formats that it names (uri, uuid) are not part of ajv; URIs are looked at below.
const validate = new Ajv2020({ strict: false, validateFormats: false, allErrors: true }).compile(
  JSON.parse(readFileSync(new URL('schemas/sarif-2.1.0.json', import.meta.url), 'utf8')) as object,
);

function errorsOf(log: unknown): unknown[] {
  return validate(log)
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

const FINDINGS: Finding[] = [
  { code: 'window-not-as-configured', layers: [3], expected: 8, found: null },
  { code: 'nothing-compared', constant: [] },
  {
    code: 'local-divergence',
    implementation: 'flash',
    layer: 2,
    batch: 'left',
    relL2: NaN,
    limit: 1e-5,
    firstToken: null,
  },
  {
    code: 'local-divergence',
    implementation: 'flash',
    layer: 3,
    batch: 'left',
    relL2: 1,
    limit: 1e-5,
    firstToken: null,
  },
];

describe('SARIF report', () => {
  it('is what a reader has approved of', async () => {
    const { tool, ...run } = sarif(BROKEN).runs[0];
    expect(tool.driver.rules.length).toBeGreaterThan(40);
    await expect(`${JSON.stringify(run, null, 2)}\n`).toMatchFileSnapshot(
      'golden/broken.sarif.json',
    );
  });

  it('is valid by the published schema of SARIF 2.1.0', () => {
    for (const report of [
      sampleReport(),
      BROKEN,
      { ...BROKEN, findings: FINDINGS },
      { ...BROKEN, shard: sampleShard() },
      withPath(`C:\\ä b\\100%.onnx\uD800`, 'win32'),
    ])
      expect(errorsOf(sarif(report))).toEqual([]);
    const log = sarif(BROKEN);
    expect(
      errorsOf({
        ...log,
        runs: [{ ...log.runs[0], results: [{ ...log.runs[0].results[0], level: 'fatal' }] }],
      }),
    ).not.toEqual([]);
    expect(() => new URL(log.$schema)).not.toThrow();
  });

  it('has a result for each missed check and for each finding that is more than fine, with the rule that it names', () => {
    const { tool, results } = sarif(BROKEN).runs[0];
    expect(results.map(({ ruleId, level }) => `${level} ${ruleId}`)).toEqual([
      'error check-non-finite',
      'error check-max-abs',
      'error check-min-cosine',
      'error check-min-cosine',
      'error check-max-abs',
      'warning finding-fully-masked-nan',
    ]);
    for (const { ruleId, ruleIndex } of results)
      expect(tool.driver.rules[ruleIndex]!.id).toBe(ruleId);
    expect(results[0]!.message.text).toMatch(/^non-finite, sdpa: .* Again: attn-diff run /);
    expect(resultsOf(sampleReport())).toEqual([]);
  });

  it('has a rule for every check and every finding, each with help and a name of its own', () => {
    const { rules } = sarif(sampleReport()).runs[0].tool.driver;
    const ids = rules.map(({ id }) => id);
    expect(ids).toEqual(
      expect.arrayContaining([
        ...FINDING_CODES.map((code) => `finding-${code}`),
        'check-rel-l2',
        'check-regression',
      ]),
    );
    expect([new Set(ids).size, new Set(rules.map(({ name }) => name)).size]).toEqual([
      ids.length,
      ids.length,
    ]);
    for (const { name, help } of rules)
      expect([/^[A-Z][A-Za-z0-9]+$/.test(name), help.text.length > 20]).toEqual([true, true]);
  });

  it('says whether the gate held by the exit code', () => {
    expect([sampleReport(), BROKEN].map((report) => sarif(report).runs[0].invocations[0])).toEqual([
      { executionSuccessful: true, exitCode: 0, arguments: BROKEN.command },
      { executionSuccessful: true, exitCode: 1, arguments: BROKEN.command },
    ]);
  });

  it('has the verdict in words', () => {
    expect(sarif(BROKEN).runs[0].properties).toMatchObject({
      passed: false,
      verdict: expect.stringMatching(
        /^FAILED: sdpa became NaN on fully masked rows at layer 0/,
      ) as string,
    });
  });

  it.each([
    ['models/a.onnx', 'models/a.onnx'],
    ['./models/a b#1?.onnx', 'models/a%20b%231%3F.onnx'],
    ['../100%/模.onnx', '../100%25/%E6%A8%A1.onnx'],
    ['owner/name@main', 'owner/name%40main'],
    ['c:d/e.onnx', 'c%3Ad/e.onnx'],
    ['/srv/models/a b.onnx', 'file:///srv/models/a%20b.onnx'],
  ])('writes the path %s as the URI %s', (path, uri) => {
    expect(uriOf(withPath(path))).toBe(uri);
    const { pathname } = new URL(uri, 'file:///root/folder/');
    expect(decodeURIComponent(pathname)).toBe(
      new URL(
        `file://${path.startsWith('/') ? '' : '/root/folder/'}${path.replaceAll('%', '%25').replaceAll('#', '%23').replaceAll('?', '%3F')}`,
      ).pathname
        .split('/')
        .map(decodeURIComponent)
        .join('/'),
    );
  });

  it('writes paths of Windows as URIs', () => {
    expect(uriOf(withPath('C:\\models\\a b.onnx', 'win32'))).toBe('file:///C:/models/a%20b.onnx');
    expect(uriOf(withPath('models\\a.onnx', 'win32'))).toBe('models/a.onnx');
    expect(uriOf(withPath('\\\\server\\share\\a b.onnx', 'win32'))).toBe(
      'file://server/share/a%20b.onnx',
    );
  });

  it('names the place from the outside in', () => {
    expect(resultsOf(BROKEN)[0]!.locations[0]!.logicalLocations).toEqual([
      {
        name: 'layer 1, attention',
        fullyQualifiedName: 'sdpa/left/layer 1, attention',
        kind: 'layer',
      },
    ]);
    expect(
      resultsOf({ ...BROKEN, findings: [FINDINGS[1]!], verdict: { passed: true, checks: [] } })[0]!
        .locations[0],
    ).not.toHaveProperty('logicalLocations');
  });

  it('has fingerprints that hold from run to run, and tell results apart', () => {
    const fingerprints = (report: DiffReport): string[] =>
      resultsOf(report).map(({ partialFingerprints }) => partialFingerprints['attnDiff/v1']!);
    const checks = BROKEN.verdict.checks.map((check): Check => ({
      ...check,
      actual: check.actual * 1.5,
      layer: 5,
      batch: 'right',
    }));
    expect(fingerprints({ ...BROKEN, verdict: { passed: false, checks } }).toSorted()).toEqual(
      fingerprints(BROKEN).toSorted(),
    );
    const all = fingerprints({ ...BROKEN, findings: [...FINDINGS, FINDINGS[3]!] });
    expect(new Set(all).size).toBe(all.length);
    expect(all.every((text) => /^[0-9a-f]{16}$/.test(text))).toBe(true);
  });

  it('passes no placeholder and no link of a name on', () => {
    const report = { ...BROKEN, command: ['run', '--prompt', '{0} [a](b)'] };
    expect(resultsOf(report)[0]!.message.text).toContain("--prompt '{{0}} [a] (b)'");
  });
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  configJsonSchema,
  parseRunOptions,
  readConfigFile,
  starterJson,
  starterYaml,
  type StarterModel,
} from '../../src/config/index.js';
import { AttnDiffError } from '../../src/errors.js';
import { readDocument, ROOT } from '../docs/documents.js';
import { sampleInspection } from '../report/sample.js';

const NAME = 'attn-diff.config.json';

function problemOf(text: string, path = NAME): unknown {
  try {
    const file = readConfigFile(text, path);
    if (file) parseRunOptions({ model: 'm' }, { file });
    return null;
  } catch (error) {
    if (!(error instanceof AttnDiffError)) throw error;
    const { line, key, problem } = error.args as {
      line: number;
      key: string | null;
      problem: string;
    };
    return [error.code, line, key, problem];
  }
}

describe('a configuration file', () => {
  it('sets options as flags do, in JSON with comments as in YAML and in package.json', () => {
    const json =
      '// what is run\n{ "impl": ["eager", "flash:block=64"], "maxAbs": 1e-7, "padding": "left", "requireKernel": true, "prompt": "a, b", "report": { "junit": "r.xml" }, /* last */ }';
    const yaml =
      'impl: [eager, "flash:block=64"]\nmaxAbs: 1e-7\npadding: left\nrequireKernel: true\nprompt: a, b\nreport:\n  junit: r.xml\n';
    const inPackage = JSON.stringify({
      name: 'x',
      'attn-diff': {
        impl: ['eager', 'flash:block=64'],
        maxAbs: 1e-7,
        padding: 'left',
        requireKernel: true,
        prompt: 'a, b',
        report: { junit: 'r.xml' },
      },
    });
    const flags = parseRunOptions({
      model: 'm',
      impl: 'eager,flash:block=64',
      maxAbs: '1e-7',
      padding: 'left',
      requireKernel: true,
      prompt: ['a, b'],
      report: ['junit=r.xml'],
    });
    for (const [text, path, line] of [
      [json, NAME, 2],
      [yaml, 'c.yaml', 2],
      [inPackage, 'p/package.json', 1],
    ] as const) {
      const config = parseRunOptions({ model: 'm' }, { file: readConfigFile(text, path) });
      const budgets = flags.gate.budgets.map((budget) => ({
        ...budget,
        source: { kind: 'config', path, key: 'maxAbs', line },
      }));
      expect(config).toEqual({
        ...flags,
        gate: { ...flags.gate, budgets },
        command: ['run', '--model', 'm'],
        configFile: path,
        configuration: {
          isFound: false,
          weakens: [
            {
              kind: 'option',
              key: 'impl',
              value: 'eager,flash:block=64',
              usual: 'eager,sdpa,flash',
            },
            { kind: 'option', key: 'padding', value: 'left', usual: 'left,right' },
          ],
          outside: [],
        },
      });
    }
  });

  it('takes numbers for a batch and for a factor', () => {
    const file = readConfigFile(
      '{ "baseline": "b.json", "maxRegression": 1.25, "budgets": [{ "metric": "kl", "max": 1, "batch": [3, "left"] }] }',
      NAME,
    )!;
    expect(parseRunOptions({ model: 'm' }, { file })).toMatchObject({
      baseline: { factor: 1.25 },
      gate: { budgets: [{ batches: ['3', 'left'] }] },
    });
  });

  it('is none where package.json has no such key, whatever else is in it', () => {
    expect(readConfigFile('{ "name": "x", "name": "y" }', 'package.json')).toBeNull();
  });

  it('gives way to flags, and its source of prompts to any other', () => {
    const file = readConfigFile(
      '{ "data": "d.jsonl", "batchSize": 4, "chat": true, "reference": "sdpa", "length": 32 }',
      NAME,
    );
    expect(parseRunOptions({ model: 'm' }, { file })).toMatchObject({
      prompts: { kind: 'data', path: 'd.jsonl' },
      batchSize: 4,
      chat: true,
      reference: 'sdpa',
      length: 32,
    });
    expect(
      parseRunOptions({ model: 'm', random: '2x8', reference: 'flash' }, { file }),
    ).toMatchObject({
      prompts: { kind: 'random' },
      batchSize: 8,
      chat: false,
      reference: 'flash',
      length: 32,
    });
  });

  it('has its budgets after the limits that it sets as options, and before those of flags', () => {
    const file = readConfigFile(
      '{ "minCosine": 0.5, "budgets": [{ "metric": "rel-l2", "max": 1 }] }',
      NAME,
    );
    expect(
      parseRunOptions({ model: 'm', maxAbs: '3' }, { file }).gate.budgets.map(
        ({ metric, source }) => [metric, source.kind],
      ),
    ).toEqual([
      ['min-cosine', 'config'],
      ['rel-l2', 'config'],
      ['max-abs', 'flag'],
    ]);
  });

  it('says of a budget which numbers it is about, and where it stands', () => {
    const text =
      '{\n "budgets": [\n  { "metric": "max-abs", "max": 2 },\n  { "metric": "mean-cosine", "level": "warn", "tap": "hidden", "scope": ["accumulated"], "layers": [3, "5-7"],\n    "implementation": "flash@webgpu", "batch": ["left"], "kind": "padding",\n    "min": 0.5 }] }';
    const [first, second] = readConfigFile(text, NAME)!.budgets;
    expect(first).toEqual({
      metric: 'max-abs',
      limit: 2,
      level: 'error',
      taps: null,
      scopes: null,
      layers: null,
      implementations: null,
      batches: null,
      kinds: ['valid'],
      source: { kind: 'config', path: NAME, key: 'budgets[0].max', line: 3 },
    });
    expect(second).toEqual({
      metric: 'mean-cosine',
      limit: 0.5,
      level: 'warn',
      taps: ['hidden'],
      scopes: ['accumulated'],
      layers: [
        [3, 3],
        [5, 7],
      ],
      implementations: ['flash@webgpu'],
      batches: ['left'],
      kinds: ['padding'],
      source: { kind: 'config', path: NAME, key: 'budgets[1].min', line: 6 },
    });
  });

  it.each<[string, number, string | null, RegExp]>([
    ['{\n"impll": "eager" }', 2, 'impll', /no such key \(did you mean impl\?\)$/],
    ['{\n"saveBaseline": "b" }', 2, 'saveBaseline', /about one run alone: give --save-baseline$/],
    [
      '{ "budgets": [{ "metric": "rel-l2", "max": 1,\n"layrs": 1 }] }',
      2,
      'budgets[0].layrs',
      /did you mean layers/,
    ],
    ['{ "budgets": [],\n"impl":\n"eager", "budgets": [] }', 3, 'budgets', /there twice/],
    [
      '{ "budgets": [{ "metric": "rel-l2", "max": 1,\n"max": 2 }] }',
      2,
      'budgets[0].max',
      /there twice/,
    ],
    ['{ "budgets": [{ "metric": "rel-l2",\n"max": -1 }] }', 2, 'budgets[0].max', /negative/],
    [
      '{ "budgets": [{ "metric": "min-cosine",\n"min": 1.5 }] }',
      2,
      'budgets[0].min',
      /between -1 and 1/,
    ],
    [
      '{ "budgets": [{ "metric": "kl", "max": 1,\n"layers": 1 }] }',
      2,
      'budgets[0].layers',
      /kl is of a whole batch and has no layers/,
    ],
    [
      '{ "budgets": [{ "metric": "flips", "max": 1, "kind": "valid",\n"tap": "logits" }] }',
      2,
      'budgets[0].tap',
      /no tap/,
    ],
    ['{\n"precision": "fp99" }', 2, 'precision', /expected one of "fp32"/],
    ['{ "seed": 1,\n"flashBlock": 4097 }', 2, 'flashBlock', /not between 1 and 4096/],
    ['{\n"maxRegression": 0 }', 2, 'maxRegression', /not above 0/],
    ['{\n\n"maxAbs": "1" }', 3, 'maxAbs', /expected number/],
    ['{\n"padding": "up" }', 2, 'padding', /it is no list of left, right/],
    ['{\n"padding": ["left",\n"up"] }', 3, 'padding[1]', /expected one of/],
    ['{\n"impl": ["eager", 7] }', 2, 'impl[1]', /expected string/],
    ['{\n"impl": "eager,flsh" }', 2, 'impl', /flsh: there is no such implementation/],
    ['{ "budgets": [\n{ "metric": "rel" }] }', 2, 'budgets[0].metric', /expected one of/],
    ['{ "budgets": [\n{ "metric": "rel-l2" }] }', 2, 'budgets[0].max', /missing/],
    [
      '{ "budgets": [\n{ "metric": "min-cosine", "max": 1 }] }',
      2,
      'budgets[0].max',
      /limited by min/,
    ],
    [
      '{ "budgets": [{ "metric": "rel-l2",\n "max": 1,\n "layers": "x" }] }',
      3,
      'budgets[0].layers',
      /neither a layer nor a range/,
    ],
    [
      '{ "budgets": [{ "metric": "rel-l2", "max": 1,\n "implementation": "eagre" }] }',
      2,
      'budgets[0].implementation',
      /no such implementation/,
    ],
    ['{ "findings": {\n"kernel-falt": "warn" } }', 2, 'findings.kernel-falt', /no such key/],
    ['{ "findings": {\n"kernel-fault": "fatal" } }', 2, 'findings.kernel-fault', /expected one of/],
    ['{ "report": {\n"pdf": "x" } }', 2, 'report.pdf', /no such key/],
    ['{\n"model": ', 2, null, /not JSON/],
    ['[]', 1, null, /expected object/],
    ['', 1, null, /not JSON|empty/],
  ])('that is wrong is told with line and key: %j', (text, line, key, problem) => {
    expect(problemOf(text)).toEqual([
      'config-file-invalid',
      line,
      key,
      expect.stringMatching(problem),
    ]);
  });

  it('that is wrong is told in YAML and in package.json too', () => {
    expect(problemOf('impl: eager\n\nmaxAbs: much\n', 'c.yml')).toEqual([
      'config-file-invalid',
      3,
      'maxAbs',
      expect.any(String),
    ]);
    expect(problemOf('impl: [eager\n', 'c.yml')).toEqual([
      'config-file-invalid',
      expect.any(Number),
      null,
      expect.stringMatching(/not YAML/),
    ]);
    expect(problemOf('impl: *nothing\n', 'c.yml')).toEqual([
      'config-file-invalid',
      1,
      null,
      expect.stringMatching(/alias/),
    ]);
    expect(problemOf('{\n"attn-diff": {\n"past": 0.5 } }', 'package.json')).toEqual([
      'config-file-invalid',
      3,
      'past',
      expect.stringMatching(/whole number/),
    ]);
  });

  it('whatever is in it, gives a configuration or an error of its own', () => {
    const value = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom('eager', '1', '0-3', 'left', 'rel-l2', 'error'),
    );
    const keys = [
      'impl',
      'padding',
      'maxAbs',
      'prompt',
      'report',
      'findings',
      'precision',
      'past',
      '__proto__',
    ];
    const budget = fc.dictionary(
      fc.constantFrom('metric', 'max', 'min', 'layers', 'tap', 'kind'),
      value,
    );
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...keys), value),
        fc.array(budget),
        (options, budgets) =>
          void expect(() => problemOf(JSON.stringify({ ...options, budgets }))).not.toThrow(),
      ),
    );
    fc.assert(
      fc.property(
        fc.string(),
        fc.constantFrom(NAME, 'c.yaml', 'package.json'),
        (text, path) => void expect(() => problemOf(text, path)).not.toThrow(),
      ),
    );
  });

  it('has a schema that is committed as it is, and that takes and refuses what the program does', () => {
    expect(JSON.parse(readFileSync(join(ROOT, 'config.schema.json'), 'utf8'))).toEqual(
      configJsonSchema(),
    );
    const valid = new Ajv.Ajv2020({ strict: false }).compile(configJsonSchema());
    const contents: [boolean, object][] = [
      [
        true,
        {
          budgets: [{ metric: 'kl', max: 1, batch: ['left', 7] }],
          findings: { identical: 'off' },
          $schema: './s.json',
        },
      ],
      [
        true,
        {
          padding: 'left, right',
          allow: ['cpu', 'gpu'],
          baseline: 'b.json',
          maxRegression: 1.5,
          random: '4x8',
          timeout: 0.5,
          maskFill: '-inf',
        },
      ],
      [
        true,
        {
          budgets: [
            { metric: 'rel-l2', level: 'off', layers: ['0-3', 7] },
            { metric: 'mean-cosine', min: -1, kind: ['valid', 'padding'] },
          ],
        },
      ],
      [
        true,
        {
          maxRegression: '2X',
          baseline: 'b.json',
          data: 'd',
          batchSize: 1,
          report: { html: 'a.html', junit: 'b.xml' },
          ci: false,
        },
      ],
      ...[
        { budget: [] },
        { model: '' },
        { precision: 'fp99' },
        { padding: 'up' },
        { padding: ['left', 'up'] },
        { allow: [] },
        { maxAbs: -1 },
        { maxAbs: '1' },
        { minCosine: 2 },
        { timeout: 0 },
        { timeout: 1e9 },
        { length: 0 },
        { past: 1.5 },
        { seed: -1 },
        { seed: 2 ** 32 },
        { flashBlock: 4097 },
        { random: '4' },
        { maxRegression: 0, baseline: 'b' },
        { maxRegression: 'x', baseline: 'b' },
        { heads: 'yes' },
        { ci: 0 },
        { findings: { identical: 'fatal' } },
        { findings: { nothing: 'off' } },
        { report: { pdf: 'x' } },
        { report: { html: '' } },
        { shard: '1/2' },
      ].map((content): [boolean, object] => [false, content]),
      ...[
        {},
        { metric: 'rel-l2' },
        { metric: 'rel-l2', min: 1 },
        { metric: 'rel-l2', max: 1, min: 1 },
        { metric: 'min-cosine', max: 1 },
        { metric: 'min-cosine', level: 'warn' },
        { metric: 'rel-l2', level: 'off', min: 0 },
        { metric: 'rel-l2', max: -1 },
        { metric: 'mean-cosine', min: 1.1 },
        { metric: 'kl', max: 1, layers: 1 },
        { metric: 'loss', max: 1, kind: 'valid' },
        { metric: 'rel-l2', max: 1, layers: '3-' },
        { metric: 'rel-l2', max: 1, layers: [] },
        { metric: 'rel-l2', max: 1, tap: 'query' },
        { metric: 'rel-l2', max: 1, level: 'fatal' },
      ].map((each): [boolean, object] => [false, { budgets: [each] }]),
    ];
    for (const [isRight, content] of contents)
      expect([
        content,
        valid({ model: 'm', ...content }),
        problemOf(JSON.stringify({ model: 'm', ...content })) === null,
      ]).toEqual([content, isRight, isRight]);
  });

  it('is in the documents as the program takes it', () => {
    const [, example] = /```json\n([^]*?)```/.exec(readDocument('docs/configuration.md'))!;
    expect(readConfigFile(example!, NAME)!.budgets).toHaveLength(4);
  });
});

describe('a first configuration', () => {
  const model: StarterModel = {
    path: './my model',
    dtype: null,
    inspection: sampleInspection(),
    hasTokenizer: true,
    schema: './s.json',
  };

  it('is one that the program takes, in both formats alike', () => {
    const [json, yaml] = [
      readConfigFile(starterJson(model), NAME)!,
      readConfigFile(starterYaml(model), 'c.yaml')!,
    ];
    expect(json.raw).toEqual(yaml.raw);
    expect(parseRunOptions({}, { file: json })).toMatchObject({
      model: './my model',
      implementations: [{ label: 'eager' }, { label: 'sdpa' }],
      gate: { defaults: 'error' },
    });
  });

  it('leaves out what the model does not take, with why, and takes random tokens where there is no tokenizer', () => {
    const text = starterJson({ ...model, hasTokenizer: false });
    expect(readConfigFile(text, NAME)!.raw).toMatchObject({ impl: 'eager,sdpa', random: '4x64' });
    expect(text).toMatch(/\/\/ Not flash: the sliding window/);
  });

  it('is not changed by what a model says of itself', () => {
    const hostile = {
      ...model.inspection,
      model: { ...model.inspection.model, exporter: 'x\n"model": "evil",\u2028//' },
    };
    expect(readConfigFile(starterJson({ ...model, inspection: hostile }), NAME)!.raw.model).toBe(
      './my model',
    );
    expect(readConfigFile(starterYaml({ ...model, inspection: hostile }), 'c.yml')!.raw.model).toBe(
      './my model',
    );
  });
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseRunOptions, type RawRunOptions } from '../../src/config/index.js';
import { AttnDiffError } from '../../src/errors.js';
import { encodeModel } from '../../src/onnx/read.js';
import { DataType } from '../../src/onnx/types.js';
import { openCheckpoint } from '../../src/pipeline/checkpoint.js';
import { fileJudgement, mergedFile, planFile, standIns } from '../../src/pipeline/fileJudge.js';
import { loadModel, type LoadedModel } from '../../src/pipeline/load.js';
import { prepareRun } from '../../src/pipeline/prepare.js';
import { runDiff, type RunHooks } from '../../src/pipeline/run.js';
import { findingText } from '../../src/report/findingText.js';
import { fileText } from '../../src/report/fileText.js';
import { inProcessRunners } from '../../src/runners/inProcess.js';
import type { Runners } from '../../src/runners/types.js';
import type { Check, DiffReport, Failure, FileJudgement } from '../../src/types.js';
import { sampleRow } from '../report/sample.js';
import { fixture } from '../support/fixtures.js';
import { withWeights } from '../support/weights.js';

const folder = mkdtempSync(join(tmpdir(), 'attn-diff-file-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Setup {
  change?: (loaded: LoadedModel) => LoadedModel;
  runners?: Runners;
  hooks?: RunHooks;
}

async function run(
  model: string,
  options: RawRunOptions,
  { change = (loaded) => loaded, runners = inProcessRunners(), hooks = {} }: Setup = {},
): Promise<DiffReport> {
  const prepared = await prepareRun(
    parseRunOptions({
      model: fixture(model),
      ...('prompt' in options ? {} : { random: '2x10' }),
      ...options,
    }),
  );
  return runDiff({ ...prepared, loaded: change(prepared.loaded) }, runners, hooks);
}

const ownChecks = ({ verdict }: DiffReport): Check[] =>
  verdict.checks.filter(({ implementation }) => implementation === 'original');

/** A weight of the file that is NaN in one place, on both sides of the rebuild check. */
const withNan =
  (name: string) =>
  (loaded: LoadedModel): LoadedModel => {
    const changed = withWeights(loaded, { [name]: (value, i) => (i === 3 ? NaN : value) });
    return {
      ...changed,
      unmodified: { bytes: encodeModel(changed.graph.model), folder: loaded.folder },
    };
  };

describe('a file whose own nodes make NaN, of which no implementation asked for knows', () => {
  it('fails the gate with where it begins', async () => {
    const report = await run('qwen2-eager-inf', { padding: 'left' });
    expect(report.implementations.map(({ name }) => name)).toEqual(['eager', 'sdpa', 'flash']);
    expect(report.file).toMatchObject({
      means: 'ran',
      label: 'original',
      stream: null,
      batches: ['left'],
    });
    expect(report.findings).toContainEqual({
      code: 'fully-masked-nan',
      implementation: 'original',
      layer: 0,
      batch: 'left',
      batches: 1,
      kind: 'fullyMasked',
      spreadsToValidAtLayer: 1,
    });
    const [check] = ownChecks(report);
    expect(check).toMatchObject({
      name: 'non-finite',
      level: 'error',
      passed: false,
      layer: 1,
      tap: 'attention',
      batch: 'left',
      kind: 'valid',
    });
    expect(report.verdict.passed).toBe(false);
    // Those that were asked for are as they would be without.
    expect(report.rows.every(({ nan, inf }) => nan + inf === 0)).toBe(true);
    expect(fileText(report.file)).toContain('NaN or Inf on valid tokens of left');
  });

  it('passes where the batches leave no row fully masked', async () => {
    const report = await run('qwen2-eager-inf', { padding: 'right' });
    expect(report.file).toMatchObject({ means: 'ran', batches: ['right'], rows: [] });
    expect(ownChecks(report)).toMatchObject([{ name: 'non-finite', actual: 0, passed: true }]);
    expect(report.verdict.passed).toBe(true);
  });
});

describe('a stream that gives the bits of the file’s own nodes', () => {
  it('stands for them while it is finite, and they are not run', async () => {
    const report = await run('qwen2-optimum', { padding: 'left' });
    expect(report.file).toEqual({
      means: 'stands',
      label: 'original',
      stream: 'sdpa',
      obstacle: null,
      failure: null,
      batches: [],
      rows: [],
    });
    expect(ownChecks(report)).toEqual([]);
    expect(report.verdict.passed).toBe(true);
  });

  it('may be one that is not shown', async () => {
    const report = await run('qwen2-optimum-eager', {
      padding: 'left',
      impl: 'exact,flash',
      reference: 'exact',
    });
    expect(report.file).toMatchObject({ means: 'stands', stream: 'eager:precision=fp32*' });
    expect(fileText(report.file)).toContain('judged by eager:precision=fp32:');
  });

  it('is none where what is not finite tells them apart: a guard of the file hides what makes sdpa NaN', async () => {
    const report = await run(
      'qwen2-optimum',
      { padding: 'right' },
      { change: withNan('model.layers.1.self_attn.k_proj.bias') },
    );
    expect(report.file).toMatchObject({ means: 'ran', stream: null, batches: ['right'], rows: [] });
    expect(
      report.verdict.checks
        .filter(({ name }) => name === 'non-finite')
        .map(({ implementation, passed }) => [implementation, passed]),
    ).toEqual([
      ['eager', false],
      ['sdpa', false],
      ['flash', false],
      ['original', true],
    ]);
  });

  it('has them run where it is not finite, and told of with the weight', async () => {
    const report = await run(
      'qwen2-optimum-eager',
      { padding: 'right', impl: 'sdpa' },
      { change: withNan('model.layers.1.post_attention_layernorm.weight') },
    );
    expect(report.file).toMatchObject({ means: 'stands', stream: 'eager', batches: ['right'] });
    const own = report.findings.find(
      (finding) => 'implementation' in finding && finding.implementation === 'original',
    )!;
    expect(own).toMatchObject({
      code: 'non-finite',
      layer: 1,
      tap: 'hidden',
      kind: 'valid',
      origin: {
        kind: 'weights',
        weight: 'model.layers.1.post_attention_layernorm.weight',
        layer: 1,
        node: { opType: 'Mul' },
      },
    });
    expect(findingText(own, 'eager')).toContain('model.layers.1.post_attention_layernorm.weight');
    expect(ownChecks(report)).toMatchObject([{ name: 'non-finite', passed: false }]);
  });
});

describe('what is said of the file where its own nodes do not run', () => {
  it.each<[string, RawRunOptions, string]>([
    [
      'qwen2-optimum',
      { past: '4', prompt: ['one two three four five six seven eight nine ten eleven'] },
      'past',
    ],
    ['forms/qwen2-window-genai-fp32-cpu', { padding: 'right' }, 'ring-cache'],
  ])('%s with %j: not judged, and why', async (model, options, obstacle) => {
    const { file } = await run(model, { ...options, impl: 'eager,sdpa' });
    expect(file).toMatchObject({ means: 'none', obstacle, batches: [], failure: null });
    expect(fileText(file)).toMatch(/^✗ not judged as it is: /);
  });

  it('is that they were asked for, where they were', async () => {
    expect(
      (await run('qwen2-optimum', { padding: 'left', impl: 'original,eager' })).file,
    ).toMatchObject({ means: 'asked', label: 'original', batches: [] });
  });

  it('is not that, where what was asked for has its activations rounded: the file as it is runs besides', async () => {
    const report = await run('qwen2-eager-inf', {
      padding: 'left',
      impl: 'original,eager',
      activations: 'bf16',
      reference: 'eager',
    });
    expect(report.file).toMatchObject({ means: 'ran', label: 'original*', batches: ['left'] });
    expect(report.findings).toContainEqual(
      expect.objectContaining({ code: 'fully-masked-nan', implementation: 'original*' }),
    );
  });

  it('is that their process failed, which fails the gate; the others run to the end', async () => {
    const inner = inProcessRunners();
    const crash = new AttnDiffError('runner-crashed', {
      stage: 'running the batches',
      signal: 'SIGSEGV',
    });
    const at: Runners['at'] = (place) =>
      place.group?.endsWith('/file')
        ? { ...inner.at(place), open: () => Promise.reject(crash) }
        : inner.at(place);
    const report = await run('qwen2-eager-inf', { padding: 'left' }, { runners: { ...inner, at } });
    expect(report.file).toMatchObject({
      means: 'none',
      obstacle: 'failed',
      failure: { kind: 'crashed', batch: 'left' },
      batches: [],
    });
    expect(ownChecks(report)).toMatchObject([{ name: 'completed', passed: false }]);
    expect(report.rows.length).toBeGreaterThan(0);
  });
});

describe('a model that says nothing', () => {
  const zeroed =
    (namesOf: (loaded: LoadedModel) => string[]) =>
    (loaded: LoadedModel): LoadedModel => {
      const changed = withWeights(
        loaded,
        Object.fromEntries(namesOf(loaded).map((name) => [name, () => 0])),
      );
      return {
        ...changed,
        unmodified: { bytes: encodeModel(changed.graph.model), folder: loaded.folder },
      };
    };
  const weights = ({ graph }: LoadedModel): string[] =>
    graph.graph.initializer
      .filter(({ dataType, dims }) => dataType === DataType.FLOAT && dims.length > 0)
      .map(({ name }) => name);

  it('its weights being zero, does not pass', async () => {
    const report = await run(
      'qwen2-optimum-eager',
      { padding: 'right', impl: 'sdpa' },
      { change: zeroed(weights) },
    );
    expect(report.rebuild.constant).toEqual(['attention', 'logits']);
    expect(report.findings).toContainEqual({
      code: 'nothing-compared',
      constant: ['attention', 'logits'],
    });
    expect(report.verdict.checks[0]).toMatchObject({
      name: 'compared',
      actual: 0,
      passed: false,
      subject: 'attention and logits',
    });
    expect(report.verdict.passed).toBe(false);
  });

  it('its values being those of a bias for every token, does not pass though its logits differ', async () => {
    const report = await run(
      'qwen2-optimum-eager',
      { padding: 'right', impl: 'sdpa' },
      {
        change: zeroed(({ sites }) =>
          sites.map(({ layer }) => `/model/layers.${layer}/self_attn/v_proj/MatMul`),
        ),
      },
    );
    expect(report.rebuild.constant).toEqual(['attention']);
    expect(report.verdict.passed).toBe(false);
  });
});

describe('the judgement of a run in parts', () => {
  it('is that of the whole, where a run went on after an interruption', async () => {
    const whole = await run(
      'qwen2-eager-inf',
      { impl: 'eager' },
      { hooks: { onResult: (result) => void kept.push(result) } },
    );
    const options = { model: fixture('qwen2-eager-inf'), random: '2x10', impl: 'eager' };
    const prepared = await prepareRun(parseRunOptions(options));
    const path = join(folder, 'kept.jsonl');
    openCheckpoint(path, prepared, false).keep(kept[0]!);
    const { done } = openCheckpoint(path, prepared, true);
    const resumed = await runDiff(prepared, inProcessRunners(), { done });
    expect(done).toHaveLength(1);
    expect(whole.file.rows.length).toBeGreaterThan(0);
    expect([resumed.file, resumed.findings, resumed.verdict]).toEqual([
      whole.file,
      whole.findings,
      whole.verdict,
    ]);
  });
  const kept: Parameters<NonNullable<RunHooks['onResult']>>[0][] = [];

  const part = (
    batches: string[],
    bad: string[],
    more: Partial<FileJudgement> = {},
  ): FileJudgement => ({
    means: 'stands',
    label: 'original',
    stream: 'sdpa',
    obstacle: null,
    failure: null,
    batches,
    rows: bad.map((batch) => sampleRow({ batch, implementation: 'original', nan: 1 })),
    ...more,
  });

  it('has batches and rows in the order of the batches', () => {
    expect(
      mergedFile([part(['2', '4'], ['4']), part(['1', '3'], ['1', '3'])], ['1', '2', '3', '4']),
    ).toEqual(part(['1', '2', '3', '4'], ['1', '3', '4']));
  });

  it('has the first failure', () => {
    const failure: Failure = { kind: 'crashed', problem: 'SIGSEGV', stage: 'x', batch: '3' };
    const failed = { means: 'none', obstacle: 'failed' } as const;
    const merged = mergedFile(
      [
        part(['2'], [], { ...failed, failure: { ...failure, batch: '4' } }),
        part(['1'], [], { ...failed, failure }),
      ],
      ['1', '2', '3', '4'],
    );
    expect(merged).toEqual(part(['1', '2'], [], { ...failed, failure }));
  });
});

describe('the plan', () => {
  it('has no stream stand for the file where activations are rounded, or where the reference runs elsewhere', async () => {
    const loaded = await loadModel(fixture('qwen2-optimum'));
    const config = (options: RawRunOptions): ReturnType<typeof parseRunOptions> =>
      parseRunOptions({ model: 'm', random: '1x1', ...options });
    expect(standIns(config({})).map(({ label }) => label)).toEqual(['eager', 'sdpa', 'flash']);
    expect(standIns(config({ activations: 'bf16' }))).toEqual([]);
    expect(standIns(config({ provider: 'webgpu' }))).toEqual([]);
    expect(standIns(config({ precision: 'bf16' })).map(({ label }) => label)).toEqual([
      'eager:precision=fp32*',
    ]);
    expect(
      planFile(config({ activations: 'bf16' }), loaded, [], standIns(config({}))),
    ).toMatchObject({ means: 'ran' });
    expect(
      fileJudgement(
        planFile(config({}), loaded, [], []),
        [
          { name: 'a', rows: [] },
          { name: 'b', rows: null },
        ],
        null,
      ),
    ).toMatchObject({ means: 'ran', batches: ['a'], rows: [] });
  });
});

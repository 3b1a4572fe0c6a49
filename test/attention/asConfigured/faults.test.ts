import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { recogniseSites } from '../../../src/attention/recognise/index.js';
import { OnnxGraph } from '../../../src/onnx/graph.js';
import { copyModel } from '../../../src/onnx/rewrite.js';
import { makeTensor } from '../../../src/onnx/tensor.js';
import { compareGraphWithConfig } from '../../../src/pipeline/asConfigured.js';
import { parseModelConfig } from '../../../src/model/config.js';
import { loadModel, type LoadedModel } from '../../../src/pipeline/load.js';
import { resolveSites } from '../../../src/pipeline/resolve.js';
import { inProcessRunner } from '../../../src/runners/inProcess.js';
import type { Finding } from '../../../src/types.js';
import {
  biasDropped,
  biasZero,
  epsilon,
  headNormMissing,
  inputNorm,
  otherLayersKeys,
  rotaryMissing,
  rotaryFrequencies,
  rotaryReversed,
  rotaryTheta,
  scaled,
  swappedHeads,
  tiledHeads,
  valuesScaled,
  type FileFault,
} from '../../support/fileFaults.js';
import { fixture } from '../../support/fixtures.js';

const runner = inProcessRunner();
const models = new Map<string, LoadedModel>();

beforeAll(async () => {
  for (const name of [
    'qwen2-optimum',
    'forms/qwen2-dynamo23',
    'forms/qwen2-genai-fp32-cpu',
    'forms/qwen3-optimum',
    'forms/qwen3-dynamo23',
  ])
    models.set(name, await loadModel(fixture(name)));
});

/** What is found in a fixture with a fault in layer 1, and with these keys in its config.json. */
async function found(
  name: string,
  fault: FileFault,
  keys: Record<string, unknown> = {},
): Promise<Finding[]> {
  const given = models.get(name)!;
  const json = (): object => ({
    ...(JSON.parse(readFileSync(join(given.source.folder, 'config.json'), 'utf8')) as object),
    ...keys,
  });
  const loaded =
    Object.keys(keys).length === 0
      ? given
      : { ...given, source: { ...given.source, config: parseModelConfig(json(), 'config.json') } };
  const model = copyModel(loaded.graph.model);
  const recognise = (): LoadedModel['sites'] =>
    recogniseSites(new OnnxGraph(model), loaded.source.config.attentionLayers, 'model.onnx');
  const sites = recognise();
  fault({ model, site: sites[1]!, sites });
  const planted = { ...loaded, graph: new OnnxGraph(model), sites: recognise() };
  return (await compareGraphWithConfig(planted, await resolveSites(planted, runner), runner))
    .findings;
}

const finding = (
  aspect: string,
  expected: unknown,
  actual: unknown,
  more: object = {},
): object => ({
  code: 'not-as-configured',
  aspect,
  part: null,
  layers: [1],
  expected,
  found: actual,
  against: 'config',
  ...more,
});
const sides = (...args: Parameters<typeof finding>): object[] =>
  (['query', 'key'] as const).map((part) =>
    finding(args[0], args[1], args[2], { part, ...args[3] }),
  );

describe('written-out attention', () => {
  test.each<[string, FileFault, object[]]>([
    [
      'key/value heads tiled',
      tiledHeads,
      [
        finding('kv-heads', 'repeated', 'tiled', { part: 'key' }),
        finding('kv-heads', 'repeated', 'tiled', { part: 'value' }),
      ],
    ],
    ['positions turned the other way', rotaryReversed, sides('rope', 'applied', 'reversed')],
    ['another theta', rotaryTheta(500), sides('rope-theta', 10000, 500, { layers: [0, 1, 2, 3] })],
    [
      'no rotary embedding of keys',
      rotaryMissing('key'),
      [finding('rope', 'applied', 'none', { part: 'key' })],
    ],
    [
      'no rotary embedding of queries',
      rotaryMissing('query'),
      [finding('rope', 'applied', 'none', { part: 'query' })],
    ],
    ['half the scale', scaled(0.5), [finding('scale', 0.25, 0.125)]],
    ['twice the scale', scaled(2), [finding('scale', 0.25, 0.5)]],
    ['1.01 of the scale', scaled(1.01), [finding('scale', 0.25, expect.closeTo(0.2525, 6))]],
    [
      'two query heads swapped by a node',
      swappedHeads,
      [finding('head-order', '0,1,2,3', '1,0,2,3', { part: 'query' })],
    ],
    ['no bias of keys', biasDropped('key'), [finding('bias', 'present', 'none', { part: 'key' })]],
    [
      'no bias at all',
      biasDropped('query', 'key', 'value'),
      ['query', 'key', 'value'].map((part) => finding('bias', 'present', 'none', { part })),
    ],
    [
      'a bias of zeros',
      biasZero('value'),
      [finding('bias-value', 'non-zero', 'zero', { part: 'value', against: 'layers' })],
    ],
    [
      "another layer's projection of keys",
      otherLayersKeys(2),
      [finding('weights', 'different', 'identical', { part: 'key', layers: [1, 2] })],
    ],
    ['values times 1.02', valuesScaled(1.02), [finding('value-scale', 1, 1.02, { part: 'value' })]],
    [
      'epsilon 1e-2 before attention',
      epsilon(1e-2, inputNorm),
      [finding('norm-epsilon', 1e-6, 0.01, { part: 'input-norm' })],
    ],
    [
      'epsilon 1e-5 behind attention',
      epsilon(1e-5, ({ site }) => site.hidden),
      [finding('norm-epsilon', 1e-6, 1e-5, { part: 'post-attention-norm' })],
    ],
    [
      'epsilon 1e-5 before the head',
      epsilon(1e-5, ({ model }) => model.graph!.output.find(({ name }) => name === 'logits')!.name),
      [finding('norm-epsilon', 1e-6, 1e-5, { part: 'final-norm', layers: [] })],
    ],
  ])('%s', async (_, fault, expected) =>
    expect(await found('qwen2-optimum', fault)).toEqual(expected),
  );
});

const queryPath = ({ site: { qkv } }: Parameters<FileFault>[0]): string => qkv.query;
const keyPath = ({ site: { qkv } }: Parameters<FileFault>[0]): string => qkv.key!;

describe('norms of query and key heads', () => {
  test.each<[string, string, FileFault, object[]]>([
    [
      'written out',
      'forms/qwen3-optimum',
      headNormMissing('key'),
      [finding('qk-norm', 'present', 'none', { part: 'key' })],
    ],
    [
      'as an operator',
      'forms/qwen3-dynamo23',
      headNormMissing('query'),
      [finding('qk-norm', 'present', 'none', { part: 'query' })],
    ],
  ])('are missed, %s', async (_, form, fault, expected) =>
    expect(await found(form, fault)).toEqual(expected),
  );

  test.each<[string, string, FileFault, object[]]>([
    [
      'written out',
      'forms/qwen3-optimum',
      epsilon(1e-2, keyPath),
      [finding('norm-epsilon', 1e-6, 0.01, { part: 'key-norm' })],
    ],
    [
      'as an operator',
      'forms/qwen3-dynamo23',
      epsilon(1e-5, queryPath),
      [finding('norm-epsilon', 1e-6, 1e-5, { part: 'query-norm' })],
    ],
  ])('have an epsilon of their own, %s', async (_, form, fault, expected) =>
    expect(await found(form, fault)).toEqual(expected),
  );
});

describe('ai.onnx Attention', () => {
  test.each<[string, FileFault, object[]]>([
    [
      'key/value heads tiled',
      tiledHeads,
      [
        finding('kv-heads', 'repeated', 'tiled', { part: 'key' }),
        finding('kv-heads', 'repeated', 'tiled', { part: 'value' }),
      ],
    ],
    ['half the scale', scaled(0.5), [finding('scale', 0.25, 0.125)]],
    ['values times 1.02', valuesScaled(1.02), [finding('value-scale', 1, 1.02, { part: 'value' })]],
    [
      'no bias of values',
      biasDropped('value'),
      [finding('bias', 'present', 'none', { part: 'value' })],
    ],
    [
      "another layer's projection of keys",
      otherLayersKeys(0),
      [finding('weights', 'different', 'identical', { part: 'key', layers: [0, 1] })],
    ],
    [
      'epsilon 1e-2',
      epsilon(1e-2, inputNorm),
      [finding('norm-epsilon', 1e-6, 0.01, { part: 'input-norm' })],
    ],
  ])('%s', async (_, fault, expected) =>
    expect(await found('forms/qwen2-dynamo23', fault)).toEqual(expected),
  );
});

describe('GroupQueryAttention with the rotary embedding inside', () => {
  /** Turned as by another base, in one half of the layers, since config.json does not say. */
  const otherTable: FileFault = ({ model, site }) => {
    const node = model.graph!.node.find(({ name }) => name === site.core.name)!;
    const table = (name: string, of: (angle: number) => number): string => {
      model.graph!.initializer.push(
        makeTensor(
          name,
          'float32',
          Array.from({ length: 256 * 8 }, (_, i) => of(Math.floor(i / 8) * 500 ** (-(i % 8) / 8))),
          [256, 8],
        ),
      );
      return name;
    };
    node.input = node.input
      .with(7, table('other cos', Math.cos))
      .with(8, table('other sin', Math.sin));
  };

  test.each<[string, FileFault, object[]]>([
    ['half the scale', scaled(0.5), [finding('scale', 0.25, 0.125)]],
    [
      'another theta than the other layer',
      otherTable,
      sides('rope-theta', 10000, 500, { against: 'layers' }),
    ],
    [
      'no bias of all three',
      biasDropped('query'),
      ['query', 'key', 'value'].map((part) => finding('bias', 'present', 'none', { part })),
    ],
    [
      'epsilon 1e-2, where config.json does not say',
      epsilon(1e-2, inputNorm),
      [finding('norm-epsilon', 1e-6, 0.01, { part: 'input-norm', against: 'layers' })],
    ],
  ])('%s', async (_, fault, expected) =>
    expect(await found('forms/qwen2-genai-fp32-cpu', fault)).toEqual(expected),
  );
});

describe('the scaling of the rotary embedding', () => {
  // What transformers 5.24 computes for head_dim 16: see test/model/rotary.test.ts.
  const LLAMA3 = [
    1, 0.1911265, 0.0047007538, 0.00091158313, 0.00017677668, 3.4281024e-5, 6.6478697e-6,
    1.2891732e-6,
  ];
  const LINEAR = [
    0.25, 0.079056941, 0.025, 0.0079056947, 0.0024999999, 0.00079056947, 0.00025000001,
    7.9056947e-5,
  ];
  const llama3 = {
    rope_type: 'llama3',
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 128,
  };
  const nothing: FileFault = () => undefined;
  const all = { layers: [0, 1, 2, 3] };

  test.each<[string, FileFault, Record<string, unknown>]>([
    ['Llama 3', rotaryFrequencies(LLAMA3), { rope_theta: 500000, rope_scaling: llama3 }],
    [
      'Llama 3, as transformers 5 writes it',
      rotaryFrequencies(LLAMA3),
      { rope_parameters: { rope_theta: 500000, ...llama3 } },
    ],
    ['linear', rotaryFrequencies(LINEAR), { rope_scaling: { type: 'linear', factor: 4 } }],
    [
      'dynamic, which begins beyond the length that the model has',
      nothing,
      { rope_scaling: { type: 'dynamic', factor: 4 } },
    ],
  ])('is as configured: %s', async (_, fault, keys) =>
    expect(await found('qwen2-optimum', fault, keys)).toEqual([]),
  );

  test.each<[string, FileFault, Record<string, unknown>, object[]]>([
    [
      'missing',
      nothing,
      { rope_scaling: { rope_type: 'linear', factor: 4 } },
      sides('rope-scaling', 'linear', 'default', all),
    ],
    [
      'not asked for',
      rotaryFrequencies(LINEAR),
      {},
      sides('rope-scaling', 'default', 'linear', all),
    ],
    [
      'of another factor',
      rotaryFrequencies(LINEAR),
      { rope_scaling: { rope_type: 'linear', factor: 2 } },
      sides('rope-scaling', 'linear', 'linear, factor 4', all),
    ],
    [
      'missing with the attention factor of YaRN',
      nothing,
      { rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64 } },
      [
        ...sides('rope-scaling', 'yarn', 'default', all),
        finding('rope-factor', expect.closeTo(1.138629436, 8), 1, all),
      ],
    ],
    [
      'of a part of the head alone',
      nothing,
      { partial_rotary_factor: 0.5 },
      sides('rope-width', 8, 16, all),
    ],
  ])('is %s', async (_, fault, keys, expected) =>
    expect(await found('qwen2-optimum', fault, keys)).toEqual(expected),
  );
});

test('a bias that config.json does not ask for, and a norm that it does', async () => {
  const findings = await found('forms/qwen2-dynamo23', () => undefined, { model_type: 'qwen3' });
  const both = { layers: [0, 1] };
  expect(findings).toEqual([
    ...['query', 'key', 'value'].map((part) =>
      finding('bias', 'none', 'present', { part, ...both }),
    ),
    ...['query', 'key'].map((part) => finding('qk-norm', 'present', 'none', { part, ...both })),
  ]);
});

test('another epsilon than every norm of the file has', async () => {
  const findings = await found('forms/qwen3-optimum', () => undefined, { rms_norm_eps: 1e-5 });
  const parts = ['query-norm', 'key-norm', 'input-norm', 'post-attention-norm'];
  expect(findings).toHaveLength(5);
  expect(findings).toEqual(
    expect.arrayContaining([
      ...parts.map((part) => finding('norm-epsilon', 1e-5, 1e-6, { part, layers: [0, 1] })),
      finding('norm-epsilon', 1e-5, 1e-6, { part: 'final-norm', layers: [] }),
    ]),
  );
});

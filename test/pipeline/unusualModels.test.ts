import { describe, expect, it } from 'vitest';
import { recogniseSites } from '../../src/attention/recognise/index.js';
import { DataType, type ModelProto } from '../../src/onnx/types.js';
import { OnnxGraph } from '../../src/onnx/graph.js';
import { GraphBuilder, makeAttribute, makeValueInfo } from '../../src/onnx/builder.js';
import { modelFeeds } from '../../src/pipeline/feeds.js';
import { inspect } from '../../src/pipeline/inspect.js';
import { FORMATS, inspectionText } from '../../src/report/index.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import { capture } from '../support/capture.js';
import { reference } from '../support/fixtures.js';
import { asItIs, behind, numbers, operated, runOn, softmaxOf } from '../support/surgery.js';

const sitesOf = (model: ModelProto): ReturnType<typeof recogniseSites> =>
  recogniseSites(new OnnxGraph(model), 4, 'model.onnx');

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ');

/** Layer 0 and 2 mix tokens without a softmax: each token keeps its own values. */
function withoutSoftmax(model: ModelProto): void {
  for (const layer of [0, 2]) {
    const softmax = softmaxOf(model, layer - (layer === 2 ? 1 : 0));
    softmax.opType = 'Relu';
    softmax.attribute = [];
  }
}

describe('a model of which some layers have no softmax attention', () => {
  const hybrid = (): string =>
    operated({
      model: withoutSoftmax,
      config: (config) => ({
        ...config,
        model_type: 'qwen3_next',
        layer_types: ['linear_attention', 'full_attention', 'linear_attention', 'full_attention'],
      }),
    });

  it('has the others compared under their own numbers, and these listed', async () => {
    const report = await runOn(hybrid(), { impl: 'eager,sdpa' });
    expect(new Set(report.rows.map(({ layer }) => layer))).toEqual(new Set([1, 3, null]));
    expect(report.model.notCompared).toEqual([
      { layer: 0, type: 'linear_attention' },
      { layer: 2, type: 'linear_attention' },
    ]);
    expect(report.verdict.passed).toBe(true);
    expect(report.rebuild.originalRelL2).toBeLessThanOrEqual(1e-6);
    expect(oneLine(FORMATS.text(report, { width: 200, color: false }))).toContain(
      '2 of 4 layers compared; not compared, since they have no softmax attention: layers 0, 2 (linear_attention)',
    );
  });

  it('is inspected so', async () => {
    const inspection = await inspect(hybrid(), inProcessRunner());
    expect(inspection.layers.map(({ layer }) => layer)).toEqual([1, 3]);
    expect(oneLine(inspectionText(inspection, { width: 200, color: false }))).toContain(
      'not compared, since they have no softmax attention: layers 0, 2 (linear_attention)',
    );
  });

  it('is refused where config.json counts other layers than the graph has', async () => {
    const folder = operated({
      model: withoutSoftmax,
      config: (config) => ({
        ...config,
        layer_types: ['linear_attention', 'full_attention', 'full_attention', 'full_attention'],
      }),
    });
    await expect(runOn(folder)).rejects.toMatchObject({
      code: 'layer-count',
      args: { found: 2, expected: 3 },
    });
  });
});

describe('a Clip in the residual stream', () => {
  const LIMIT = 0.5;
  const clips = (model: ModelProto): string[] => {
    const made: string[] = [];
    for (const { hidden, output } of sitesOf(model)) {
      const first = firstSum(model, output);
      for (const tensor of [first, hidden])
        behind(model, tensor, (builder) =>
          builder.op('Clip', [tensor, builder.float(-LIMIT), builder.float(LIMIT)]),
        );
      made.push(
        model.graph!.node.find(({ opType, input }) => opType === 'Clip' && input[0] === hidden)!
          .output[0]!,
      );
    }
    return made;
  };

  it('is part of the hidden state, which is what the next layer reads', async () => {
    let hidden: string[] = [];
    const folder = operated({
      model: (model) => {
        hidden = clips(model);
        model.graph!.output.push(...hidden.map((name) => makeValueInfo(name, DataType.UNDEFINED)));
      },
    });
    const { batch } = reference('right');
    const run = await capture(folder, batch, ['original']);
    const truth = await asItIs(folder, modelFeeds(run.loaded.inputs, run.loaded.sizes, batch, 1));
    for (const [layer, name] of hidden.entries()) {
      const seen = numbers(run.tensor('hidden', layer, 'original'));
      expect(Math.max(...seen)).toBe(LIMIT);
      expect(seen).toEqual(numbers(truth[name]!));
    }
  });
});

/** The residual sum behind a layer's attention. */
function firstSum(model: ModelProto, attentionOutput: string): string {
  const graph = new OnnxGraph(model);
  let tensor = attentionOutput;
  for (;;) {
    const node = graph.consumers(tensor).find(({ opType }) => opType !== 'Shape')!;
    tensor = node.output[0]!;
    if (node.opType === 'Add' && node.input.every((input) => graph.constant(input) === undefined))
      return tensor;
  }
}

describe('nodes that no output needs', () => {
  it('change nothing, wherever they read', async () => {
    const folder = operated({
      model: (model) => {
        const graph = model.graph!;
        for (const { output, hidden, core } of sitesOf(model)) {
          for (const tensor of [output, hidden, core.output[0]!, core.input[0]!])
            graph.node.push({
              ...core,
              name: `dead/${tensor}`,
              opType: 'Softmax',
              input: [tensor],
              output: [`dead/${tensor}`],
            });
        }
      },
    });
    const report = await runOn(folder, { impl: 'eager,sdpa,original' });
    expect(report.verdict.passed).toBe(true);
    expect(
      report.rows
        .filter(
          ({ implementation, scope, kind }) =>
            implementation === 'original' && scope === 'local' && kind === 'valid',
        )
        .every(({ maxAbs }) => maxAbs < 1e-6),
    ).toBe(true);
  });
});

describe('a model that attends in both directions', () => {
  /** Every layer's mask hides padding alone. */
  const paddingOnly = (model: ModelProto): void => {
    for (const { mask, core } of sitesOf(model)) {
      const tensor = mask.kind === 'tensor' ? mask.tensor : '';
      behind(
        model,
        tensor,
        (builder) =>
          builder.op('Where', [
            builder.op('Unsqueeze', [
              builder.cast('attention_mask', DataType.BOOL),
              builder.ints(1, 2),
            ]),
            builder.float(0),
            builder.float(-3.4028234663852886e38),
          ]),
        (node) => node.output[0] === core.input[0],
      );
    }
  };
  const bidirectional = (): string =>
    operated({ model: paddingOnly, config: (config) => ({ ...config, is_causal: false }) });

  it('is compared as such, without the kernels that are causal alone', async () => {
    const report = await runOn(bidirectional());
    expect(report.implementations.map(({ name }) => name)).toEqual(['eager', 'sdpa']);
    expect(report.findings).toContainEqual({
      code: 'left-out',
      implementation: 'flash',
      problem: 'GroupQueryAttention is causal, and this model attends in both directions',
    });
    expect(report.findings.some(({ code }) => code === 'wrong-mask')).toBe(false);
    expect(report.verdict.passed).toBe(true);
    expect(report.rebuild.equivalentRelL2).toBeLessThan(1e-6);
    expect(report.model.attention).toBe('decomposed, bidirectional');
    expect(oneLine(FORMATS.text(report, { width: 100, color: false }))).toContain(
      'The model attends in both directions, so that each token is predicted from what holds it',
    );
    // Left padding hides no row from a query that attends in both directions.
    expect(report.batches[0]!.tokens.fullyMasked).toBe(0);
  });

  it('is compared with flash where its rounding is emulated, and refuses it by name where it is not', async () => {
    const folder = bidirectional();
    const report = await runOn(folder, { impl: 'eager,original,flash:precision=bf16' });
    expect(
      report.rows
        .filter(
          ({ implementation, scope, kind }) =>
            implementation === 'flash:precision=bf16' && scope === 'local' && kind === 'valid',
        )
        .every(({ relL2 }) => relL2 > 0 && relL2 < 2 ** -6),
    ).toBe(true);
    await expect(runOn(folder, { impl: 'eager,flash' })).rejects.toMatchObject({
      code: 'not-buildable',
      args: { implementation: 'flash' },
    });
    await expect(runOn(folder, { impl: 'eager,sdpa', past: '2' })).rejects.toMatchObject({
      code: 'bad-option',
      args: { option: '--past' },
    });
  });
});

describe('dynamic NTK scaling', () => {
  const HEAD = 16;
  const MOST = 16;
  const FACTOR = 2;

  /** θ' = θ·(f·n/N − (f − 1))^(D/(D−2)) where the batch has n > N positions, as Hugging Face's _compute_dynamic_ntk_parameters. */
  const dynamic = (model: ModelProto): void => {
    const graph = new OnnxGraph(model);
    const expand = model.graph!.node.find(
      (node) => node.opType === 'Expand' && graph.values(node.input[0])?.length === HEAD / 2,
    )!;
    behind(
      model,
      expand.input[0]!,
      (builder) => {
        const positions = builder.cast(
          builder.op('Add', [
            builder.op('ReduceMax', ['position_ids'], { keepdims: 0n }),
            builder.int(1),
          ]),
          DataType.FLOAT,
        );
        const length = builder.op('Max', [positions, builder.float(MOST)]);
        const stretch = builder.op('Sub', [
          builder.op('Mul', [length, builder.float(FACTOR / MOST)]),
          builder.float(FACTOR - 1),
        ]);
        const theta = builder.op('Mul', [
          builder.op('Pow', [stretch, builder.float(HEAD / (HEAD - 2))]),
          builder.float(10000),
        ]);
        const powers = builder.op('Mul', [
          builder.cast(
            builder.ints(...Array.from({ length: HEAD / 2 }, (_, i) => i)),
            DataType.FLOAT,
          ),
          builder.float(-2 / HEAD),
        ]);
        return builder.reshapeTo(builder.op('Pow', [theta, powers]), 1, HEAD / 2, 1);
      },
      (node) => node === expand,
    );
  };

  it('is run beyond max_position_embeddings, where the frequencies follow the batch', async () => {
    const config = (rope_scaling: unknown) => (all: Record<string, unknown>) => ({
      ...all,
      max_position_embeddings: MOST,
      rope_scaling,
    });
    const report = await runOn(
      operated({ model: dynamic, config: config({ rope_type: 'dynamic', factor: FACTOR }) }),
      { random: '2x24', impl: 'eager,flash,original' },
    );
    expect(report.verdict.passed).toBe(true);
    expect(report.batches[0]!.length).toBe(24);
    expect(report.rows.filter(({ kind, relL2 }) => kind === 'valid' && relL2 > 1e-5)).toEqual([]);
    await expect(
      runOn(operated({ config: config(null) }), { random: '2x24' }),
    ).rejects.toMatchObject({ code: 'bad-option' });
  });
});

describe('repeat_kv whose Reshape the exporter has merged with the next', () => {
  const merged = (model: ModelProto): void => {
    const graph = new OnnxGraph(model);
    for (const second of model.graph!.node) {
      const first = second.opType === 'Reshape' ? graph.producer(second.input[0]) : undefined;
      if (first?.opType === 'Reshape' && graph.producer(first.input[0])?.opType === 'Expand')
        second.input[0] = first.input[0]!;
    }
  };

  it('is taken apart all the same', async () => {
    const folder = operated({ base: 'forms/qwen2-dynamo18', model: merged });
    const inspection = await inspect(folder, inProcessRunner());
    expect(inspection.layers.map(({ form }) => form)).toEqual(['decomposed', 'decomposed']);
    const report = await runOn(folder, { impl: 'eager,sdpa,original' });
    expect(report.rebuild.originalRelL2).toBeLessThan(1e-6);
    expect(report.rebuild.equivalentRelL2).toBeLessThan(1e-6);
    expect(report.verdict.passed).toBe(true);
  });
});

describe('attention sinks', () => {
  /** As gpt-oss writes them: cat([scores, sinks]), minus the maximum, softmax, without the last column. */
  const writtenOut = (model: ModelProto): void => {
    for (const [layer, { core, compute }] of sitesOf(model).entries()) {
      const scores = core.input[0]!;
      behind(
        model,
        scores,
        (builder) => {
          const shape = builder.op(
            'Concat',
            [builder.op('Shape', [scores], { start: 0n, end: 3n }), builder.ints(1)],
            { axis: 0n },
          );
          const joined = builder.op(
            'Concat',
            [
              scores,
              builder.op('Expand', [builder.floats([-1, 0, 1, 2 + layer], [1, 4, 1, 1]), shape]),
            ],
            { axis: -1n },
          );
          return builder.op('Sub', [joined, builder.op('ReduceMax', [joined, builder.ints(-1)])]);
        },
        (node) => node === core,
      );
      const probabilities = compute[2]!.input[0]!;
      behind(
        model,
        probabilities,
        (builder) =>
          builder.op('Slice', [probabilities, builder.ints(0), builder.ints(-1), builder.ints(-1)]),
        (node) => node === compute[2],
      );
    }
  };

  it('written out are named with their node, and every implementation is built with them', async () => {
    const report = await runOn(operated({ model: writtenOut }), {
      impl: 'eager,sdpa,flash,original',
    });
    expect(report.model.sinks.map(({ layer }) => layer)).toEqual([0, 1, 2, 3]);
    expect(report.model.sinks[0]!.node).toMatch(/Concat/);
    expect(report.rebuild.equivalentRelL2).toBeLessThan(1e-6);
    expect(report.verdict.passed).toBe(true);
    expect(
      report.rows.filter(
        ({ kind, scope, relL2 }) => kind === 'valid' && scope === 'local' && !(relL2 < 1e-5),
      ),
    ).toEqual([]);
    expect(oneLine(FORMATS.text(report, { width: 100, color: false }))).toContain(
      'attention sinks in layers 0–3 (',
    );
  });

  it('of GroupQueryAttention are its input, or zeros', async () => {
    const withInput =
      (smooth: boolean) =>
      (model: ModelProto): void => {
        const builder = new GraphBuilder(model.graph!, new OnnxGraph(model).names());
        const sink = builder.floats([-1, 0, 1, 2], [4]);
        for (const node of model.graph!.node.filter(
          ({ opType }) => opType === 'GroupQueryAttention',
        )) {
          if (smooth) node.attribute.push(makeAttribute('smooth_softmax', 1n));
          else {
            while (node.input.length < 11) node.input.push('');
            node.input[11] = sink;
          }
        }
      };
    for (const smooth of [false, true]) {
      const report = await runOn(
        operated({ base: 'forms/qwen2-genai-fp32-cpu', model: withInput(smooth) }),
        { impl: 'eager,original', padding: 'right' },
      );
      expect(report.model.sinks).toHaveLength(2);
      expect(report.rebuild.equivalentRelL2).toBeLessThan(1e-6);
      expect(
        report.rows.filter(
          ({ implementation, kind, scope, relL2 }) =>
            implementation === 'original' &&
            kind === 'valid' &&
            scope === 'local' &&
            !(relL2 < 1e-5),
        ),
      ).toEqual([]);
    }
  });

  it('that nothing takes off again are refused', async () => {
    const folder = operated({
      model: (model) => {
        writtenOut(model);
        for (const slice of model.graph!.node.filter(
          ({ opType, name }) => opType === 'Slice' && name.startsWith('attn_diff/'),
        ))
          Object.assign(slice, { opType: 'Identity', input: [slice.input[0]!] });
      },
    });
    await expect(runOn(folder)).rejects.toMatchObject({
      code: 'site-not-recognised',
      args: { problem: expect.stringContaining('sink') },
    });
  });
});

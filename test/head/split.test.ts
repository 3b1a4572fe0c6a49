import { describe, expect, it } from 'vitest';
import { buildHead } from '../../src/head/build.js';
import { splitHead, type HeadSplit } from '../../src/head/split.js';
import type { GraphBuilder } from '../../src/onnx/builder.js';
import { OnnxGraph } from '../../src/onnx/graph.js';
import { loadModel } from '../../src/pipeline/load.js';
import type { Tensors } from '../../src/types.js';
import { FIXTURES, fixture } from '../support/fixtures.js';
import { FORMS } from '../support/forms.js';
import { tinyModel } from '../support/tinyGraph.js';

const MODELS = [
  ...FIXTURES.map((name) => [name, fixture(name)] as const),
  ...FORMS.map((form) => [form, fixture('forms', form)] as const),
];

describe.each(MODELS)('%s', (name, path) => {
  it('has a head: a few nodes behind one tensor, its weights where they were', async () => {
    const { graph, logits } = await loadModel(path);
    const split = splitHead(graph, logits!.name)!;
    expect(split.tokenwise).toBe(name !== 'qwen2-int8');

    const { model, hidden, targets, chunk } = buildHead(graph, split, {
      count: 2,
      reference: 0,
      truth: 1,
      share: false,
    });
    expect(new Set(model.graph!.input.map((input) => input.name))).toEqual(
      new Set([hidden, targets, chunk].filter((each) => each !== null)),
    );
    const weights = model.graph!.initializer.filter(
      (tensor) => !tensor.name.startsWith('attn_diff/'),
    );
    expect(weights.length).toBeGreaterThan(0);
    expect(weights.every((tensor) => graph.initializers.get(tensor.name) === tensor)).toBe(true);
    expect(
      model.graph!.node.filter((node) =>
        graph.graph.node.some((own) => own.name !== '' && own.name === node.name),
      ).length,
    ).toBeLessThanOrEqual(6);
  });
});

const HIDDEN: Tensors = {
  x: { type: 'float32', dims: [1, 2, 3], data: new Float32Array(6) },
  weights: { type: 'float32', dims: [3, 4], data: new Float32Array(12) },
};

/** Cuts a graph whose hidden state is the sum of two inputs; `weights` is an initializer. */
function splitOf(build: (builder: GraphBuilder, hidden: string) => string): HeadSplit | null {
  const { model, outputs } = tinyModel(HIDDEN, (builder) => [
    build(builder, builder.op('Sigmoid', ['x'])),
  ]);
  const { graph } = model;
  graph!.input = graph!.input.filter(({ name }) => name !== 'weights');
  graph!.initializer.push({ ...graph!.initializer[0]!, name: 'weights' });
  return splitHead(new OnnxGraph(model), outputs[0]!);
}

describe('splitHead', () => {
  it('goes on past what treats every element alike', () => {
    const split = splitOf((builder, hidden) =>
      builder.op('Tanh', [
        builder.op('Add', [
          builder.op('MatMul', [builder.op('Mul', [hidden, builder.float(2)]), 'weights']),
          builder.float(1),
        ]),
      ]),
    );
    expect(split).toMatchObject({ cut: 'attn_diff/Mul', tokenwise: true });
  });

  it('does not mind reshapes behind the product, whatever their shape comes from', () => {
    const split = splitOf((builder, hidden) =>
      builder.reshape(
        builder.op('Gemm', [builder.reshapeTo(hidden, -1, 3), 'weights']),
        builder.op('Shape', ['x']),
      ),
    );
    expect(split).toMatchObject({ cut: 'attn_diff/Reshape', logits: 'attn_diff/Gemm' });
  });

  it('goes before a quantisation, whose integers mean nothing alone', () => {
    const split = splitOf((builder, hidden) => {
      const [values, scale, zero] = builder.ops('DynamicQuantizeLinear', [hidden], 3) as [
        string,
        string,
        string,
      ];
      return builder.op('Mul', [
        builder.cast(builder.op('MatMulInteger', [values, 'weights', zero]), 1),
        scale,
      ]);
    });
    expect(split).toMatchObject({ cut: 'attn_diff/Sigmoid', tokenwise: false });
  });

  it('goes before a quantisation by constants too, which treats every element alike', () => {
    const split = splitOf((builder, hidden) => {
      const values = builder.op('QuantizeLinear', [hidden, builder.float(0.1)]);
      return builder.op('Mul', [
        builder.cast(builder.op('MatMulInteger', [values, 'weights']), 1),
        builder.float(0.1),
      ]);
    });
    expect(split).toMatchObject({ cut: 'attn_diff/Sigmoid', tokenwise: true });
  });

  it('leaves what chooses tokens to neither part, before the product or behind it', () => {
    const chosen = (builder: GraphBuilder, tensor: string, axis: bigint): string =>
      builder.op('Gather', [tensor, builder.ints(1)], { axis });
    expect(
      splitOf((builder, hidden) => chosen(builder, builder.op('MatMul', [hidden, 'weights']), 1n)),
    ).toMatchObject({
      cut: 'attn_diff/Sigmoid',
      entering: 'attn_diff/Sigmoid',
      logits: 'attn_diff/MatMul',
      unselected: 'attn_diff/MatMul',
      selects: true,
    });
    expect(
      splitOf((builder, hidden) => builder.op('MatMul', [chosen(builder, hidden, 1n), 'weights'])),
    ).toMatchObject({
      cut: 'attn_diff/Sigmoid',
      entering: 'attn_diff/Gather',
      logits: 'attn_diff/MatMul',
      selects: true,
    });
    // Logits of a part of the vocabulary are other logits.
    expect(
      splitOf((builder, hidden) => chosen(builder, builder.op('MatMul', [hidden, 'weights']), 2n)),
    ).toBeNull();
  });

  it.each<[string, (builder: GraphBuilder, hidden: string) => string]>([
    [
      'something mixes tokens behind the product',
      (builder, hidden) =>
        builder.op('Softmax', [builder.op('MatMul', [hidden, 'weights'])], { axis: 1n }),
    ],
    [
      'another input takes part',
      (builder, hidden) =>
        builder.op('Add', [
          builder.op('MatMul', [hidden, 'weights']),
          builder.op('Identity', ['x']),
        ]),
    ],
    [
      'the product is of two computed tensors',
      (builder, hidden) => builder.op('MatMul', [hidden, builder.op('Neg', [hidden])]),
    ],
    [
      'the weights stand to the left',
      (builder, hidden) => builder.op('MatMul', ['weights', hidden]),
    ],
    ['there is no product', (builder, hidden) => builder.op('Add', [hidden, builder.float(1)])],
    [
      'something else reads the quantised values',
      (builder, hidden) => {
        const [values, scale, zero] = builder.ops('DynamicQuantizeLinear', [hidden], 3) as [
          string,
          string,
          string,
        ];
        const product = builder.op('Mul', [
          builder.cast(builder.op('MatMulInteger', [values, 'weights', zero]), 1),
          scale,
        ]);
        return builder.op('Add', [product, builder.cast(values, 1)]);
      },
    ],
  ])('finds no head where %s', (_, build) => {
    expect(splitOf(build)).toBeNull();
  });
});

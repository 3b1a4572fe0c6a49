import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { StringStringEntryProtoSchema } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../src/onnx/builder.js';
import { attribute, isMicrosoftOp, isOp, OnnxGraph } from '../../src/onnx/graph.js';
import { encodeModel } from '../../src/onnx/read.js';
import { copyModel } from '../../src/onnx/rewrite.js';
import type { HalfType } from '../../src/onnx/half.js';
import { roundActivations } from '../../src/onnx/roundActivations.js';
import { makeTensor } from '../../src/onnx/tensor.js';
import { DataLocation, DataType } from '../../src/onnx/types.js';
import { siteTensors } from '../../src/attention/site.js';
import { loadModel } from '../../src/pipeline/load.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import type { TensorData, Tensors } from '../../src/types.js';
import { FIXTURES, fixture } from '../support/fixtures.js';
import { FORMS } from '../support/forms.js';
import { tinyModel } from '../support/tinyGraph.js';

type Round = (x: number) => number;

/** Rounds to the nearest number of `bits` significant bits, ties to even, as IEEE 754 has it; by arithmetic alone. */
function rounder(bits: number, smallestExponent: number, largest: number): Round {
  return (x) => {
    if (!Number.isFinite(x) || x === 0) return x;
    const step = 2 ** (Math.max(Math.floor(Math.log2(Math.abs(x))), smallestExponent) + 1 - bits);
    const steps = Math.abs(x) / step;
    const floor = Math.floor(steps);
    const up = steps - floor > 0.5 || (steps - floor === 0.5 && floor % 2 === 1);
    const result = (floor + (up ? 1 : 0)) * step;
    return Math.sign(x) * (result > largest ? Infinity : result);
  };
}

const TYPES: readonly { name: string; type: HalfType; round: Round; smallest: number }[] = [
  {
    name: 'bf16',
    type: DataType.BFLOAT16,
    round: rounder(8, -126, 3.3895313892515355e38),
    smallest: -3.3895313892515355e38,
  },
  { name: 'fp16', type: DataType.FLOAT16, round: rounder(11, -14, 65504), smallest: -65504 },
];

const f32 = (...values: number[]): TensorData => ({
  type: 'float32',
  dims: [1, values.length],
  data: Float32Array.from(values),
});

/** Builds a float32 graph with weights, rounds it, runs it. */
async function rounded(
  type: HalfType,
  feeds: Tensors,
  weights: Record<string, { values: readonly number[]; dims?: readonly number[] }>,
  build: (builder: GraphBuilder) => string[],
): Promise<number[][]> {
  const { model, outputs } = tinyModel(feeds, build);
  for (const [name, { values, dims = [values.length] }] of Object.entries(weights))
    model.graph!.initializer.push(makeTensor(name, 'float32', values, dims));
  roundActivations(model, type);
  const session = await inProcessRunner().open(
    { model: { bytes: encodeModel(model), folder: '.' } },
    'test',
  );
  const tensors = await session.run(feeds);
  await session.close();
  return outputs.map((name) => Array.from(tensors[name]!.data, Number));
}

const X = [0.3, -1.7, 2.9, 0.011, -5.3, 1.1, 0.77, -0.2];
const W = [1.013, 0.507, -0.731, 1.999, 0.333, -1.17, 0.0901, 3.3];
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

describe.each(TYPES)('rounding activations to $name', ({ name, type, round, smallest }) => {
  it('rounds to nearest even, to infinity beyond the range, and keeps NaN', async () => {
    const special: Record<string, [number, number][]> = {
      bf16: [
        [1 + 2 ** -8, 1],
        [1 + 3 * 2 ** -8, 1 + 2 ** -6],
        [1 + 2 ** -8 + 2 ** -20, 1 + 2 ** -7],
        [3.4e38, Infinity],
        [-3.39e38, -3.3895313892515355e38],
        [NaN, NaN],
        [-Infinity, -Infinity],
      ],
      fp16: [
        [1 + 2 ** -11, 1],
        [1 + 3 * 2 ** -11, 1 + 2 ** -9],
        [65519, 65504],
        [65520, Infinity],
        [-7e4, -Infinity],
        [2 ** -25, 0],
        [1.5 * 2 ** -24, 2 ** -23],
        [NaN, NaN],
      ],
    };
    const random = fc.sample(
      fc.float({
        noNaN: true,
        noDefaultInfinity: true,
        min: Math.fround(-1e6),
        max: Math.fround(1e6),
      }),
      { numRuns: 2000, seed: 1 },
    );
    const values = [...special[name]!.map(([x]) => x), ...random];
    const [result] = await rounded(type, { x: f32(...values) }, {}, (builder) => [
      builder.op('Mul', ['x', builder.float(1)]),
    ]);
    expect(result).toEqual([...special[name]!.map(([, y]) => y), ...random.map(round)]);
  });

  it('rounds a product with its bias once, from a rounded weight and bias', async () => {
    const weights = { w: { values: W, dims: [2, 4] }, b: { values: [0.007, -3.01, 0.913, 0.123] } };
    const [result] = await rounded(type, { x: f32(0.71, -1.3) }, weights, (builder) => [
      builder.op('Add', ['b', builder.op('MatMul', ['x', 'w'])]),
    ]);
    const product = [0, 1, 2, 3].map(
      (i) =>
        Math.fround(0.71) * round(Math.fround(W[i]!)) +
        Math.fround(-1.3) * round(Math.fround(W[4 + i]!)),
    );
    const expected = product.map((y, i) => round(y + round(Math.fround(weights.b.values[i]!))));
    expect(result).toEqual(expected);
    expect(
      product.map((y, i) => round(round(y) + round(Math.fround(weights.b.values[i]!)))),
    ).not.toEqual(expected);
  });

  it.each([
    '1 / sqrt',
    'Reciprocal',
    'divided by sqrt',
    'RMSNormalization',
    'SimplifiedLayerNormalization',
  ])('normalises in float32, and rounds before and after the weight: %s', async (form) => {
    const [result] = await rounded(type, { x: f32(...X) }, { w: { values: W } }, (builder) => {
      if (form === 'RMSNormalization' || form === 'SimplifiedLayerNormalization')
        return [builder.op(form, ['x', 'w'], { axis: -1n, epsilon: 1e-6 })];
      const mean = builder.op(
        'ReduceMean',
        [builder.op('Pow', ['x', builder.float(2)]), builder.ints(-1)],
        { keepdims: 1n },
      );
      const root = builder.op('Sqrt', [builder.op('Add', [mean, builder.float(1e-6)])]);
      const inverse = (): string =>
        form === 'Reciprocal'
          ? builder.op('Reciprocal', [root])
          : builder.op('Div', [builder.float(1), root]);
      return [
        builder.op('Mul', [
          'w',
          form === 'divided by sqrt'
            ? builder.op('Div', ['x', root])
            : builder.op('Mul', ['x', inverse()]),
        ]),
      ];
    });
    const x = X.map(Math.fround);
    const root = Math.sqrt(sum(x.map((v) => v * v)) / x.length + 1e-6);
    expect(result).toEqual(x.map((v, i) => round(round(v / root) * round(Math.fround(W[i]!)))));
  });

  it('adds the residual of a fused norm, rounded, and keeps its name', async () => {
    const [normed, residual] = await rounded(
      type,
      { x: f32(...X), skip: f32(...W) },
      { w: { values: W } },
      (builder) => {
        const [output, , , total] = builder.ops(
          'SkipSimplifiedLayerNormalization',
          ['x', 'skip', 'w'],
          4,
          { epsilon: 1e-6 },
          'com.microsoft',
        );
        return [output!, total!];
      },
    );
    const total = X.map((x, i) => round(Math.fround(x) + Math.fround(W[i]!)));
    const root = Math.sqrt(sum(total.map((v) => v * v)) / total.length + 1e-6);
    expect(residual).toEqual(total);
    expect(normed).toEqual(total.map((v, i) => round(round(v / root) * round(Math.fround(W[i]!)))));
  });

  it('rounds SiLU once, and a gate of another tensor twice', async () => {
    const [silu, gated] = await rounded(type, { x: f32(...X), y: f32(...W) }, {}, (builder) => [
      builder.op('Mul', ['x', builder.op('Sigmoid', ['x'])]),
      builder.op('Mul', ['y', builder.op('Sigmoid', ['x'])]),
    ]);
    expect(silu).toEqual(X.map((x) => round(Math.fround(x) * sigmoid(Math.fround(x)))));
    expect(gated).toEqual(
      X.map((x, i) => round(Math.fround(W[i]!) * round(sigmoid(Math.fround(x))))),
    );
  });

  it('makes a fill of finfo(float32).min the type’s own, leaves −inf, and lets the mask itself be', async () => {
    const mask: TensorData = { type: 'bool', dims: [1, 4], data: Uint8Array.of(1, 0, 0, 1) };
    const feeds = { scores: f32(1.3, -20.1, 31.7, 0.4), mask };
    const [filled, infinite, fill, looked] = await rounded(type, feeds, {}, (builder) => {
      const rows = builder.op('Gather', [
        builder.cast(builder.ints(0, 1), DataType.BOOL),
        builder.cast('mask', DataType.INT64),
      ]);
      const filledMask = builder.op('Where', [
        'mask',
        builder.float(0),
        builder.float(-3.4028234663852886e38),
      ]);
      const infiniteMask = builder.op('Where', [
        'mask',
        builder.float(0),
        builder.float(-Infinity),
      ]);
      return [
        builder.op('Add', ['scores', filledMask]),
        builder.op('Add', ['scores', infiniteMask]),
        filledMask,
        builder.op('Add', [
          'scores',
          builder.op('Where', [rows, builder.float(0), builder.float(-3.4028234663852886e38)]),
        ]),
      ];
    });
    // PyTorch: (torch.tensor([-20.1, 31.7], dtype=torch.float16) + torch.finfo(torch.float16).min) is -inf, -65472.
    const masked = { bf16: [smallest, smallest], fp16: [-Infinity, -65472] }[name]!;
    expect(filled).toEqual([round(Math.fround(1.3)), ...masked, round(Math.fround(0.4))]);
    expect(looked).toEqual(filled);
    expect(infinite).toEqual([
      round(Math.fround(1.3)),
      -Infinity,
      -Infinity,
      round(Math.fround(0.4)),
    ]);
    expect(fill).toEqual([0, -3.4028234663852886e38, -3.4028234663852886e38, 0]);
  });

  it('does not round single numbers, written or computed from a shape', async () => {
    const [byConstant, byShape] = await rounded(type, { x: f32(...X) }, {}, (builder) => {
      const width = builder.cast(
        builder.op('Gather', [builder.op('Shape', ['x']), builder.int(1)]),
        DataType.FLOAT,
      );
      return [
        builder.op('Mul', ['x', builder.float(0.1)]),
        builder.op('Mul', [
          'x',
          builder.op('Div', [builder.float(1), builder.op('Sqrt', [width])]),
        ]),
      ];
    });
    expect(byConstant).toEqual(X.map((x) => round(Math.fround(x) * Math.fround(0.1))));
    expect(byShape).toEqual(
      X.map((x) => round(Math.fround(x) * Math.fround(1 / Math.fround(Math.sqrt(8))))),
    );
  });

  it('takes the scale that an export of sdpa puts on both factors after their product, as eager does', async () => {
    const q: TensorData = {
      type: 'float32',
      dims: [1, 1, 1, 2],
      data: Float32Array.of(0.7, 300.3),
    };
    const k: TensorData = {
      type: 'float32',
      dims: [1, 1, 2, 3],
      data: Float32Array.of(0.71, 0.3, -1.3, 2.9, 1000.7, 0.011),
    };
    const [result] = await rounded(type, { q, k }, {}, (builder) => {
      const root = builder.float(0.42044820762685725);
      return [
        builder.op('MatMul', [builder.op('Mul', ['q', root]), builder.op('Mul', [root, 'k'])]),
      ];
    });
    const scores = [0, 1, 2].map((i) =>
      round(
        (q.data[0]! as number) * (k.data[i]! as number) +
          (q.data[1]! as number) * (k.data[3 + i]! as number),
      ),
    );
    expect(result).toEqual(scores.map((score) => round(score * 0.42044820762685725 ** 2)));
    expect(Number.isFinite(result![1])).toBe(name === 'bf16');
  });

  it('rounds the product of a FusedMatMul before its factor', async () => {
    const feeds: Tensors = {
      x: f32(0.71, -1.3),
      y: { type: 'float32', dims: [2, 8], data: Float32Array.from([...X, ...W]) },
    };
    const [result] = await rounded(type, feeds, {}, (builder) => [
      builder.op('FusedMatMul', ['x', 'y'], { alpha: 0.3 }, 'com.microsoft'),
    ]);
    const products = X.map(
      (x, i) => Math.fround(0.71) * Math.fround(x) + Math.fround(-1.3) * Math.fround(W[i]!),
    );
    const expected = products.map((y) => round(round(y) * Math.fround(0.3)));
    expect(result).toEqual(expected);
    expect(products.map((y) => round(y * Math.fround(0.3)))).not.toEqual(expected);
  });

  describe('rotary embedding', () => {
    const q = [0.3, -1.7, 2.9, 0.011];
    const angles = [37, 37 * 0.31].map((angle) => Math.fround(angle));
    const cos = angles.map((angle) => round(Math.fround(Math.cos(angle))));
    const sin = angles.map((angle) => round(Math.fround(Math.sin(angle))));
    const expected = [0, 1, 2, 3].map((i) => {
      const [own, other] = [Math.fround(q[i]!), Math.fround(i < 2 ? -q[i + 2]! : q[i - 2]!)];
      return round(round(own * cos[i % 2]!) + round(other * sin[i % 2]!));
    });
    const feeds: Tensors = {
      q: { type: 'float32', dims: [1, 1, 1, 4], data: Float32Array.from(q) },
      positions: { type: 'int64', dims: [1, 1], data: BigInt64Array.of(37n) },
    };
    const tables = (builder: GraphBuilder): [string, string] => {
      const angle = builder.op('Mul', [
        builder.cast(builder.reshapeTo('positions', 1, 1, 1), DataType.FLOAT),
        'frequencies',
      ]);
      return [builder.op('Cos', [angle]), builder.op('Sin', [angle])];
    };
    const frequencies = { values: [1, 0.31] };

    it('takes cos and sin from float32 angles, and rounds them and all three operations', async () => {
      const [result] = await rounded(type, feeds, { frequencies }, (builder) => {
        const [c, s] = tables(builder).map((table) =>
          builder.op('Unsqueeze', [
            builder.op('Concat', [table, table], { axis: -1n }),
            builder.ints(1),
          ]),
        ) as [string, string];
        const [first, second] = builder.ops('Split', ['q'], 2, { axis: -1n, num_outputs: 2n });
        const turned = builder.op('Concat', [builder.op('Neg', [second!]), first!], { axis: -1n });
        return [builder.op('Add', [builder.op('Mul', ['q', c]), builder.op('Mul', [turned, s])])];
      });
      expect(result).toEqual(expected);
    });

    it('does so inside RotaryEmbedding', async () => {
      const [result] = await rounded(type, feeds, { frequencies }, (builder) => [
        builder.op('RotaryEmbedding', ['q', ...tables(builder)], { interleaved: 0n }),
      ]);
      expect(result).toEqual(expected);
    });

    it('does so inside com.microsoft RotaryEmbedding, with tables by position', async () => {
      const table = (values: readonly number[]): number[] =>
        Array.from({ length: 38 * 2 }, (_, i) => (i >= 74 ? values[i - 74]! : 0));
      const weights = {
        cos: { values: table(angles.map(Math.cos)), dims: [38, 2] },
        sin: { values: table(angles.map(Math.sin)), dims: [38, 2] },
      };
      const [result] = await rounded(type, feeds, weights, (builder) => [
        builder.op(
          'RotaryEmbedding',
          ['q', 'positions', 'cos', 'sin'],
          { interleaved: 0n },
          'com.microsoft',
        ),
      ]);
      expect(result).toEqual(expected);
    });
  });

  it('routes in float32: rounds what leaves TopK, or what is normalised of it', async () => {
    const data = Float32Array.from([...X, ...W]);
    const [plain, normalised] = await rounded(
      type,
      { x: { type: 'float32', dims: [4, 4], data } },
      {},
      (builder) => {
        const [chosen, again] = [0, 1].map(
          () =>
            builder.ops('TopK', [builder.op('Softmax', ['x'], { axis: -1n }), builder.ints(2)], 2, {
              axis: -1n,
            })[0]!,
        );
        return [
          chosen!,
          builder.op('Div', [
            again!,
            builder.op('ReduceSum', [again!, builder.ints(-1)], { keepdims: 1n }),
          ]),
        ];
      },
    );
    const chosen = [0, 4, 8, 12].map((row) => {
      const exps = Array.from(data.slice(row, row + 4), Math.exp);
      return exps
        .toSorted((a, b) => b - a)
        .slice(0, 2)
        .map((value) => value / sum(exps));
    });
    expect(plain).toEqual(chosen.flat().map(round));
    expect(normalised).toEqual(
      chosen.flatMap((two) => two.map((value) => round(value / sum(two)))),
    );
    expect(
      chosen.flatMap((two) => two.map((value) => round(round(value) / sum(two.map(round))))),
    ).not.toEqual(normalised);
  });

  it('leaves what TopK returns as indices alone, and what is computed of them', async () => {
    const [rows] = await rounded(
      type,
      {
        x: f32(...X),
        y: { type: 'float32', dims: [9, 1], data: Float32Array.from([...X, 7], (x) => x) },
      },
      {},
      (builder) => {
        const [, indices] = builder.ops('TopK', ['x', builder.ints(2)], 2, { axis: -1n });
        return [
          builder.op('Mul', [
            builder.op('Gather', [
              'y',
              builder.op('Add', [builder.reshapeTo(indices!, -1), builder.int(1)]),
            ]),
            builder.float(1),
          ]),
        ];
      },
    );
    // The largest are X[2] and X[5].
    expect(rows).toEqual([X[3]!, X[6]!].map((x) => round(Math.fround(x))));
  });

  it('gives one pair of casts to a weight however often it is used, without reading it', () => {
    const ids: TensorData = { type: 'int64', dims: [1, 2], data: BigInt64Array.of(1n, 0n) };
    const { model } = tinyModel({ ids }, (builder) => {
      const hidden = builder.op('Gather', ['table', 'ids']);
      return [
        builder.op('MatMul', [
          builder.op('Mul', [hidden, hidden]),
          builder.op('Transpose', ['table'], { perm: [1, 0] }),
        ]),
      ];
    });
    const externalData = [
      create(StringStringEntryProtoSchema, { key: 'location', value: 'absent.bin' }),
    ];
    model.graph!.initializer.push(
      Object.assign(makeTensor('table', 'float32', [], [2, 4]), {
        dataLocation: DataLocation.EXTERNAL,
        externalData,
      }),
    );
    roundActivations(model, type);
    const stored = model.graph!.initializer.find(
      ({ dataLocation }) => dataLocation === DataLocation.EXTERNAL,
    )!;
    const readers = model.graph!.node.filter(({ input }) => input.includes(stored.name));
    expect(stored.name).not.toBe('table');
    expect(readers.map(({ opType }) => opType)).toEqual(['Cast']);
    expect(Number(attribute(readers[0]!, 'to')?.i)).toBe(type);
    expect(
      model
        .graph!.node.filter(({ input }) => input.includes('table'))
        .map(({ opType }) => opType)
        .toSorted(),
    ).toEqual(['Gather', 'Transpose']);
  });
});

describe('a rounded model', () => {
  it.each(FIXTURES)(
    '%s: keeps every name that rebuilding reads, declares no other type, and leaves the model that was copied alone',
    async (name) => {
      const { graph, sites } = await loadModel(fixture(name));
      const before = encodeModel(graph.model);
      const model = copyModel(graph.model);
      roundActivations(model, DataType.BFLOAT16);
      expect(Buffer.compare(encodeModel(graph.model), before)).toBe(0);
      const made = new Map(
        model.graph!.node.flatMap((node) => node.output.map((output) => [output, node] as const)),
      );
      for (const site of sites)
        for (const tensor of [...siteTensors(site), site.output, site.hidden])
          expect(made.has(tensor)).toBe(true);
      expect(model.graph!.output).toEqual(graph.model.graph!.output);
      expect(model.graph!.input).toEqual(graph.model.graph!.input);
      const known = new Set(
        [...model.graph!.initializer, ...model.graph!.input].map((item) => item.name),
      );
      for (const node of model.graph!.node) {
        expect(node.input.every((input) => input === '' || known.has(input))).toBe(true);
        node.output.forEach((output) => known.add(output));
      }
    },
  );

  it.each(FORMS.filter((form) => form.includes('fp16')))(
    '%s: is left as it is, since it computes in half precision already',
    async (form) => {
      const { graph } = await loadModel(fixture('forms', form));
      const model = copyModel(graph.model);
      roundActivations(model, DataType.FLOAT16);
      expect(Buffer.compare(encodeModel(model), encodeModel(graph.model))).toBe(0);
    },
  );

  it.each(['qwen2-q4', 'qwen2-q4-asymmetric', 'qwen2-genai-int4-cpu', 'qwen2-int8', 'qwen2-qdq'])(
    '%s: keeps the scales of quantised weights and activations',
    async (form) => {
      const { graph } = await loadModel(fixture('forms', form));
      const model = copyModel(graph.model);
      roundActivations(model, DataType.BFLOAT16);
      const index = new OnnxGraph(model);
      const isRounded = (tensor: string): boolean =>
        isOp(index.producer(tensor), 'Cast') ||
        index.consumers(tensor).some((node) => isOp(node, 'Cast'));
      const scales = model.graph!.node.flatMap((node) => {
        if (isMicrosoftOp(node, 'MatMulNBits', 'GatherBlockQuantized')) return [node.input[2]!];
        if (isOp(node, 'DequantizeLinear', 'QuantizeLinear')) return [node.input[1]!];
        const dynamic =
          isOp(node, 'Mul') &&
          node.input.some((input) => isOp(index.producer(input), 'DynamicQuantizeLinear'));
        return dynamic ? [...node.input, ...node.output] : [];
      });
      expect(scales.length).toBeGreaterThan(10);
      expect(scales.filter(isRounded)).toEqual([]);
    },
  );

  it('does not round again what is stored in the type', async () => {
    const { graph } = await loadModel(fixture('forms', 'qwen2-dynamo-bf16'));
    const stored = new Set(
      graph.graph.initializer
        .filter(({ dataType }) => dataType === DataType.BFLOAT16)
        .map(({ name }) => name),
    );
    const castsAgain = (type: HalfType): number => {
      const model = copyModel(graph.model);
      roundActivations(model, type);
      const casts = model.graph!.node.filter((node) => isOp(node, 'Cast'));
      const wide = new Set(
        casts.filter(({ input }) => stored.has(input[0]!)).map(({ output }) => output[0]!),
      );
      return casts.filter(({ input }) => wide.has(input[0]!)).length;
    };
    expect(stored.size).toBeGreaterThan(10);
    expect(castsAgain(DataType.BFLOAT16)).toBe(0);
    expect(castsAgain(DataType.FLOAT16)).toBe(stored.size);
  });
});

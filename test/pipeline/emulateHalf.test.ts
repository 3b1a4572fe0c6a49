import { describe, expect, it } from 'vitest';
import { makeValueInfo, type GraphBuilder } from '../../src/onnx/builder.js';
import { dataFlow } from '../../src/onnx/dataFlow.js';
import { emulateHalf } from '../../src/onnx/emulateHalf.js';
import { OnnxGraph } from '../../src/onnx/graph.js';
import { openFused } from '../../src/onnx/openFused.js';
import { encodeModel } from '../../src/onnx/read.js';
import { copyModel, dropUnused, replaceUses } from '../../src/onnx/rewrite.js';
import { DataType } from '../../src/onnx/types.js';
import { modelFeeds } from '../../src/pipeline/feeds.js';
import { loadModel, type LoadedModel } from '../../src/pipeline/load.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import type { TensorData, Tensors } from '../../src/types.js';
import { fixture } from '../support/fixtures.js';
import { formReference } from '../support/forms.js';
import { toFloat16 } from '../support/half.js';
import { readSafetensors } from '../support/safetensors.js';
import { nodesOf, operated, runOn } from '../support/surgery.js';
import { tinyModel } from '../support/tinyGraph.js';

const half = DataType.FLOAT16;

describe('a float16 graph whose rounding is emulated', () => {
  it('rounds what it holds in float16, to infinity beyond its range, and nothing else', async () => {
    const x = [65519, 65520, -65520, 2 ** -25, 3 * 2 ** -25, 2049, NaN, 1];
    const [own, wide, product, swapped, constant] = await emulated(
      { x: { type: 'float32', dims: [x.length], data: Float32Array.from(x) } },
      (builder) => {
        const narrow = builder.cast('x', half);
        const two = builder.cast(builder.float(2), half);
        const moved = builder.op('Neg', [builder.op('Concat', [narrow, narrow], { axis: 0n })]);
        return [
          narrow,
          builder.op('Mul', ['x', builder.float(1.0001)]),
          builder.op('Mul', [narrow, two]),
          moved,
          builder.cast(two, DataType.FLOAT),
        ];
      },
    );
    const rounded = [65504, Infinity, -Infinity, 0, 2 ** -23, 2048, NaN, 1];
    expect(own).toEqual(rounded);
    expect(wide![5]).toBe(Math.fround(2049 * Math.fround(1.0001)));
    expect(product).toEqual([Infinity, Infinity, -Infinity, 0, 2 ** -22, 4096, NaN, 2]);
    expect(swapped).toEqual([...rounded, ...rounded].map((value) => -value));
    expect(constant).toEqual([2]);
  });

  it('computes what numpy does, node by node and each rounded once, layer by layer', async () => {
    const loaded = await loadModel(fixture('forms', 'qwen2-fp16'));
    const reference = readSafetensors(
      fixture('forms', 'reference', 'qwen2-fp16.rounded.left.safetensors'),
    );
    const taps = [
      ...loaded.sites.flatMap(
        ({ layer, compute, core, output, hidden }) =>
          [
            [`scores.${layer}`, compute[0]!.output[0]!],
            [`probabilities.${layer}`, core.output[0]!],
            [`output.${layer}`, output],
            [`hidden.${layer}`, hidden],
          ] as const,
      ),
      ['logits', 'logits'] as const,
    ];
    const outputs = await fromReference(loaded, taps, reference);
    for (const [tap, tensor] of taps) {
      const { same, ulps } = held(outputs[tensor]!, reference.get(tap)!.data as Float32Array);
      expect([tap, same > 0.95, ulps <= 1]).toEqual([tap, true, true]);
    }
  });
});

describe('scores beyond the range of float16', () => {
  it('are infinite in the file’s own nodes too, where they begin, and not with scores in float32', async () => {
    const model = largeScores();
    const {
      implementations,
      findings,
      verdict,
      model: told,
    } = await runOn(model, {
      random: '1x6',
      padding: 'right',
      impl: 'eager:scores=fp32,eager,original',
      reference: 'eager:scores=fp32',
      activations: 'fp16',
      precision: 'fp16',
    });
    expect(told).toMatchObject({ precision: 'fp16', activations: 'fp16' });
    expect(implementations.find(({ name }) => name === 'original')).toMatchObject({
      precision: 'fp16',
      emulated: true,
      written: 'fp16',
      proof: 'confirmed',
    });
    for (const implementation of ['eager', 'original']) {
      expect(findings).toContainEqual(
        expect.objectContaining({
          code: 'score-overflow',
          implementation,
          origin: expect.objectContaining({ layer: 1, step: 'scores', kind: 'overflow' }),
        }),
      );
    }
    expect(
      verdict.checks
        .filter(({ name, passed }) => name === 'non-finite' && !passed)
        .map(({ implementation }) => implementation),
    ).toEqual(['eager', 'original']);
  });

  it('stay finite where the CPU runs the file as it likes, in float32', async () => {
    const { implementations, verdict } = await runOn(largeScores(), {
      random: '1x6',
      padding: 'right',
      impl: 'eager,original',
    });
    expect(implementations[1]).toMatchObject({ ran: ['fp32'], reason: 'other-type' });
    expect(verdict.passed).toBe(true);
  });
});

/** The fixture with large scores, in float16, with its scale behind QKᵀ and no guard that makes NaN zero, as an eager export has it. */
function largeScores(): string {
  return operated({
    base: 'qwen2-large-scores',
    model: (model) => {
      openFused(dataFlow(new OnnxGraph(model)));
      for (const guard of nodesOf(model, 'IsNaN')) {
        const where = nodesOf(model, 'Where').find(({ input }) => input[0] === guard.output[0])!;
        replaceUses(model.graph!.node, where.output[0]!, guard.input[0]!);
      }
      toFloat16(model);
    },
  });
}

/** What tensors of a small graph come to where its rounding is emulated. */
async function emulated(
  feeds: Tensors,
  build: (builder: GraphBuilder) => string[],
): Promise<number[][]> {
  const { model, outputs } = tinyModel(feeds, build);
  emulateHalf(model, half);
  const tensors = await run(model, '.', feeds);
  return outputs.map((name) => Array.from(tensors[name]!.data, Number));
}

async function run(
  model: Parameters<typeof encodeModel>[0],
  folder: string,
  feeds: Tensors,
): Promise<Tensors> {
  const session = await inProcessRunner().open(
    { model: { bytes: encodeModel(model), folder } },
    'test',
  );
  const outputs = await session.run(feeds);
  await session.close();
  return outputs;
}

/** Runs a file with its rounding emulated, what follows a layer on the reference's hidden state of it. */
async function fromReference(
  loaded: LoadedModel,
  taps: readonly (readonly [string, string])[],
  reference: ReturnType<typeof readSafetensors>,
): Promise<Tensors> {
  const model = copyModel(loaded.graph.model);
  emulateHalf(model, half);
  const graph = model.graph!;
  const given: Tensors = {};
  for (const { layer, hidden } of loaded.sites) {
    const { data, shape } = reference.get(`hidden.${layer}`)!;
    given[`given.${layer}`] = { type: 'float32', dims: shape, data: data as Float32Array };
    replaceUses(graph.node, hidden, `given.${layer}`);
    graph.input.push(makeValueInfo(`given.${layer}`, DataType.FLOAT));
  }
  graph.output = taps.map(([, tensor]) => makeValueInfo(tensor, DataType.FLOAT));
  dropUnused(graph);
  return run(model, loaded.folder, {
    ...modelFeeds(loaded.inputs, loaded.sizes, formReference('qwen2-optimum', 'left').batch, 1),
    ...given,
  });
}

/** The share of elements with the same bits, and by how many units in the last place of its row's largest element one is off at most; NaN against a number is infinitely many. */
function held({ data, dims }: TensorData, expected: Float32Array): { same: number; ulps: number } {
  const width = dims.at(-1)!;
  let same = 0;
  let ulps = 0;
  for (let from = 0; from < expected.length; from += width) {
    const row = expected.subarray(from, from + width);
    const largest = row.reduce(
      (most, value) => Math.max(most, Number.isFinite(value) ? Math.abs(value) : 0),
      2 ** -14,
    );
    const unit = 2 ** (Math.floor(Math.log2(largest)) - 10);
    row.forEach((value, i) => {
      const own = Number(data[from + i]);
      if (own === value || (Number.isNaN(own) && Number.isNaN(value))) same++;
      else
        ulps = Math.max(
          ulps,
          Number.isFinite(own - value) ? Math.abs(own - value) / unit : Infinity,
        );
    });
  }
  return { same: data.length === expected.length ? same / expected.length : 0, ulps };
}

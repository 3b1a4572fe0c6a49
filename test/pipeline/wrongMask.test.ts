import { describe, expect, it } from 'vitest';
import { recogniseSites } from '../../src/attention/recognise/index.js';
import type { GraphBuilder } from '../../src/onnx/builder.js';
import { isOp, OnnxGraph } from '../../src/onnx/graph.js';
import { DataType, type ModelProto } from '../../src/onnx/types.js';
import { inspect } from '../../src/pipeline/inspect.js';
import { findingText } from '../../src/report/findingText.js';
import { FORMATS, inspectionText } from '../../src/report/index.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import type { DiffReport, Finding } from '../../src/types.js';
import { behind, operated, runOn } from '../support/surgery.js';

const FILL = -3.4028234663852886e38;

/** Changes what is added to the scores of one layer. */
function changeMask(
  layer: number,
  change: (builder: GraphBuilder, mask: string) => string,
): (model: ModelProto) => void {
  return (model) => {
    const site = recogniseSites(new OnnxGraph(model), 4, 'model.onnx')[layer]!;
    const mask = site.mask.kind === 'tensor' ? site.mask.tensor : '';
    behind(
      model,
      mask,
      (builder) => change(builder, mask),
      (node) => isOp(node, 'Add') && node.output[0] === site.core.input[0],
    );
  };
}

/** A mask with one number wherever a condition on query and key holds: [S,T] of the mask's own size. */
function where(
  builder: GraphBuilder,
  mask: string,
  value: number,
  condition: (query: string, key: string) => string,
): string {
  const range = (axis: number): string =>
    builder.op('Range', [
      builder.int(0),
      builder.op('Gather', [builder.op('Shape', [mask]), builder.int(axis)], { axis: 0n }),
      builder.int(1),
    ]);
  return builder.op('Where', [
    condition(builder.op('Unsqueeze', [range(2), builder.ints(1)]), range(3)),
    builder.float(value),
    mask,
  ]);
}

const cell =
  (query: number, key: number, value: number) =>
  (builder: GraphBuilder, mask: string): string =>
    where(builder, mask, value, (q, k) =>
      builder.op('And', [
        builder.op('Equal', [q, builder.int(query)]),
        builder.op('Equal', [k, builder.int(key)]),
      ]),
    );

const masksOf = ({ findings }: Pick<DiffReport, 'findings'>): Finding[] =>
  findings.filter(({ code }) => code === 'wrong-mask');

describe('a mask that is wrong in the file', () => {
  it('is a finding that fails the run, and the run goes on with the right mask for all but the file’s own nodes', async () => {
    const folder = operated({ model: changeMask(1, cell(3, 4, 0)) });
    const report = await runOn(folder, {
      impl: 'eager,sdpa,flash,original',
      random: '1x6',
      padding: 'right',
    });
    expect(masksOf(report)).toEqual([
      {
        code: 'wrong-mask',
        layers: [1],
        node: '/model/layers.1/self_attn/Softmax',
        fault: 'future',
        query: 3,
        key: 4,
        value: null,
        causal: true,
      },
    ]);
    expect(findingText(masksOf(report)[0]!, 'eager')).toContain(
      'The mask of layer 1 (/model/layers.1/self_attn/Softmax) lets query 3 attend to key 4, which is in its future.',
    );
    expect(report.verdict.passed).toBe(false);
    expect(
      report.verdict.checks
        .filter(({ passed, level }) => !passed && level === 'error')
        .map(({ subject, layer }) => ({ subject, layer })),
    ).toContainEqual({ subject: 'wrong-mask', layer: 1 });
    // The proof of reading is made with the file's own mask.
    expect(report.rebuild.equivalentRelL2).toBeLessThan(1e-6);
    const local = (implementation: string, layer: number): number =>
      report.rows.find(
        (row) =>
          row.implementation === implementation &&
          row.layer === layer &&
          row.scope === 'local' &&
          row.kind === 'valid',
      )!.relL2;
    expect([local('sdpa', 1), local('flash', 1)].every((relL2) => relL2 < 1e-5)).toBe(true);
    expect(local('original', 1)).toBeGreaterThan(1e-3);
    expect(local('original', 0)).toBeLessThan(1e-5);
    expect(FORMATS.sarif(report, { width: 100, color: false })).toContain('finding-wrong-mask');
  });

  it.each<
    [
      string,
      (builder: GraphBuilder, mask: string) => string,
      Partial<Extract<Finding, { code: 'wrong-mask' }>>[],
    ]
  >([
    [
      'that fills with −10',
      (builder, mask) => builder.op('Max', [mask, builder.float(-10)]),
      [{ fault: 'fill', query: 0, key: 1, value: -10 }],
    ],
    [
      'that is causal alone',
      (builder, mask) =>
        where(builder, builder.op('Mul', [mask, builder.float(0)]), FILL, (q, k) =>
          builder.op('Less', [q, k]),
        ),
      [{ fault: 'padding', query: 3, key: 0 }],
    ],
    ['that hides a key', cell(5, 2, FILL), [{ fault: 'hidden', query: 5, key: 2 }]],
    [
      'that masks nothing',
      (builder, mask) => builder.op('Mul', [mask, builder.float(0)]),
      [
        { fault: 'future', query: 0, key: 1 },
        { fault: 'padding', query: 3, key: 0 },
      ],
    ],
    ['that adds a bias', cell(8, 5, -0.5), [{ fault: 'bias', query: 8, key: 5, value: -0.5 }]],
  ])('is named in inspect: one %s', async (_, change, faults) => {
    const inspection = await inspect(operated({ model: changeMask(2, change) }), inProcessRunner());
    expect(masksOf(inspection)).toEqual(
      faults.map((fault) => ({
        code: 'wrong-mask',
        layers: [2],
        node: '/model/layers.2/self_attn/Softmax',
        value: null,
        causal: true,
        ...fault,
      })),
    );
    expect(inspectionText(inspection, { width: 100, color: false })).toContain(
      '✗ The mask of layer 2',
    );
  });

  it('is none at all in a layer whose mask was dropped', async () => {
    const folder = operated({
      base: 'qwen2-dynamo',
      model: (model) =>
        (model.graph!.node.filter((node) => isOp(node, 'Attention'))[3]!.input[3] = ''),
    });
    const report = await runOn(folder, { impl: 'eager,sdpa' });
    expect(masksOf(report)).toMatchObject([
      { layers: [3], fault: 'future' },
      { layers: [3], fault: 'padding' },
    ]);
    expect(report.rebuild.equivalentRelL2).toBeLessThan(1e-6);
  });

  it('is seen where only a longer batch shows it', async () => {
    const report = await runOn(operated({ model: changeMask(0, cell(20, 21, 0)) }), {
      impl: 'eager,sdpa',
      random: '1x24',
    });
    expect(masksOf(report)).toMatchObject([{ layers: [0], fault: 'future', query: 20, key: 21 }]);
  });

  it('is right where config.json says that the model attends in both directions', async () => {
    const inspection = await inspect(
      operated({ config: (config) => ({ ...config, is_causal: false }) }),
      inProcessRunner(),
    );
    expect(masksOf(inspection)).toMatchObject([
      { layers: [0, 1, 2, 3], fault: 'hidden', query: 0, key: 1, causal: false },
    ]);
    // Rows that the file's own mask leaves no key are what its guard makes of them, whatever the right mask would leave.
    const report = await runOn(
      operated({ base: 'qwen2-optimum', config: (config) => ({ ...config, is_causal: false }) }),
      { impl: 'eager,original' },
    );
    expect(report.rebuild.equivalentRelL2).toBeLessThan(1e-6);
    expect(report.verdict.passed).toBe(false);
  });
});

/** Rounds a tensor of layer 2 to another type and back. */
function castIn(
  place: 'query' | 'scores' | 'probabilities' | 'output',
  to: DataType,
  layers: readonly number[] = [2],
): (model: ModelProto) => void {
  return (model) => {
    for (const site of recogniseSites(new OnnxGraph(model), 4, 'model.onnx').filter(({ layer }) =>
      layers.includes(layer),
    )) {
      const [product, , values] = site.compute;
      const [tensor, reader] = {
        query: [product!.input[0]!, product!],
        scores: [product!.output[0]!, null],
        probabilities: [values!.input[0]!, values!],
        output: [site.output, null],
      }[place] as [string, typeof product | null];
      behind(
        model,
        tensor,
        (builder) => builder.cast(builder.cast(tensor, to), DataType.FLOAT),
        (node) => reader === null || node === reader,
      );
    }
  };
}

describe('a cast inside the attention of one layer', () => {
  const castsOf = ({ findings }: Pick<DiffReport, 'findings'>): Finding[] =>
    findings.filter(({ code }) => code === 'stray-cast');

  it.each(['query', 'scores', 'probabilities', 'output'] as const)(
    'is a finding: %s to fp16',
    async (place) => {
      const inspection = await inspect(
        operated({ model: castIn(place, DataType.FLOAT16) }),
        inProcessRunner(),
      );
      expect(castsOf(inspection)).toEqual([
        {
          code: 'stray-cast',
          layer: 2,
          place,
          node: expect.stringMatching(/Cast$/),
          from: 'fp32',
          to: 'fp16',
        },
      ]);
      expect(inspectionText(inspection, { width: 100, color: false })).toMatch(
        /Layer 2 casts its .* from fp32 to fp16/,
      );
    },
  );

  it('is a warning, and what it does is in the rows of the file’s own nodes', async () => {
    const report = await runOn(operated({ model: castIn('scores', DataType.BFLOAT16) }), {
      impl: 'eager,original',
    });
    expect(castsOf(report)).toEqual([
      {
        code: 'stray-cast',
        layer: 2,
        place: 'scores',
        node: expect.stringMatching(/Cast$/),
        from: 'fp32',
        to: 'bf16',
      },
    ]);
    expect(report.verdict.checks.find(({ subject }) => subject === 'stray-cast')).toMatchObject({
      level: 'warn',
      layer: 2,
    });
    const local = report.rows.filter(
      ({ implementation, scope, kind }) =>
        implementation === 'original' && scope === 'local' && kind === 'valid',
    );
    expect(local.filter(({ relL2 }) => relL2 > 1e-4).map(({ layer }) => layer)).toEqual([2]);
    expect(report.model.attention).toBe('decomposed');
  });

  it('is none where every layer has it', async () => {
    expect(
      castsOf(
        await inspect(
          operated({ model: castIn('scores', DataType.FLOAT16, [0, 1, 2, 3]) }),
          inProcessRunner(),
        ),
      ),
    ).toEqual([]);
  });
});
